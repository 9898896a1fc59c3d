"""How fast a network is here: seconds per image, to infer and to train, measured on random images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from cnnexp.image_spec import ImageSpec
from cnnexp.training.compute import Compute

FEWEST, ENOUGH, LONGEST = 3, 0.5, 10.0  # calls; seconds that fill them, and after which none is begun


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over some calls, after one that is not counted.

    Attributes:
        inference_seconds: per image, without gradients, in evaluation mode.
        training_seconds: per image: forward and backward pass and a step of plain SGD.
        inference_calls: how many were measured.
        training_calls: likewise.
    """

    inference_seconds: float
    training_seconds: float
    inference_calls: int
    training_calls: int


def measure_speed(model: nn.Module, spec: ImageSpec, *, batch_size: int, compute: Compute) -> Speed:
    """Measures a network; its weights move.

    Args:
        model: with values.
        spec: shape of the images.
        batch_size: images a call.
        compute: device and memory layout; float32.
    """
    model = model.to(compute.device)
    model.to(memory_format=compute.memory_format)
    images = torch.rand((batch_size, *spec.shape), device=compute.device)
    images = images.contiguous(memory_format=compute.memory_format)
    labels = torch.arange(batch_size, device=compute.device) % spec.num_classes
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def infer() -> None:
        with torch.inference_mode():
            model(images)

    def learn() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    model.eval()
    inference = call_seconds(infer, compute.device)
    model.train()
    training = call_seconds(learn, compute.device)
    return Speed(
        statistics.median(inference) / batch_size,
        statistics.median(training) / batch_size,
        len(inference),
        len(training),
    )


def call_seconds(call: Callable[[], object], device: torch.device, *, enough: float = ENOUGH) -> list[float]:
    """Returns the time of each call after a first one, which is slower: at least three unless they take long.

    Args:
        call: what is measured.
        device: that it computes on, and is waited for.
        enough: calls are added until they fill so many seconds.
    """
    call()
    taken: list[float] = []
    while sum(taken) < LONGEST and (len(taken) < FEWEST or sum(taken) < enough):
        _wait(device)
        start = time.perf_counter()
        call()
        _wait(device)
        taken.append(time.perf_counter() - start)
    return taken


def _wait(device: torch.device) -> None:
    if device.type != "cpu":  # what a GPU is given it does later
        torch.accelerator.synchronize(device)
