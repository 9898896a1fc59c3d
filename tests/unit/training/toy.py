"""A small training set-up: separable images of two classes, and a loop over them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnexp.settings import OptimizationSettings, TrainingSettings
from cnnexp.training.checkpoint import Progress
from cnnexp.training.compute import Compute
from cnnexp.training.events import EpochReport, Outcome
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.judges import Judge, standard_judges
from cnnexp.training.loop import Loop
from cnnexp.training.optimizers import build_optimizer
from cnnexp.training.seeding import derive_seed, seed_everything
from cnnexp.training.step import Augmentation, Loss, Stepper

CPU = Compute(torch.device("cpu"), "fp32", torch.channels_last)


class ToyBatches:
    """Uint8 images (N, 1, 8, 8) whose class is their brighter half; the order depends on the epoch alone."""

    def __init__(self, num_images: int = 40, batch_size: int = 8, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.num_images, self.batch_size, self.seed = num_images, batch_size, seed
        self.images = torch.randint(0, 100, (num_images, 1, 8, 8), generator=generator, dtype=torch.uint8)
        self.labels = torch.arange(num_images) % 2
        self.images[self.labels == 1, :, 4:] += 120

    def __len__(self) -> int:
        return math.ceil(self.num_images / self.batch_size)

    def epoch(self, n: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, n))
        order = torch.randperm(self.num_images, generator=generator)
        for index in torch.split(order, self.batch_size):
            yield self.images[index], self.labels[index]

    def close(self) -> None:
        pass


class ToFloat(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float() / 255


def toy_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(144, 2)
    )


def toy_stepper(
    compute: Compute = CPU,
    *,
    loss: Loss | None = None,
    augment: Augmentation | None = None,
    **settings: Any,
) -> Stepper:
    seed_everything(0, 0)
    network = toy_network()
    network.to(memory_format=compute.memory_format)
    optimization = OptimizationSettings(**{"lr": 0.01, **settings})
    return Stepper(
        network,
        forward=network,
        normalize=ToFloat(),
        augment=augment,
        loss=loss or Loss(None, 0.0),
        optimizer=build_optimizer(network.parameters(), optimization, compute.device),
        compute=compute,
        settings=optimization,
    )


def toy_loop(
    folder: Path,
    *,
    epochs: int = 3,
    num_images: int = 40,
    judges: tuple[Judge, ...] = (),
    interrupt: Interrupt | None = None,
    training: dict[str, Any] | None = None,
    **settings: Any,
) -> Loop:
    train_settings = TrainingSettings(epochs=epochs, **(training or {}))
    return Loop(
        stepper=toy_stepper(**settings),
        train_batches=ToyBatches(num_images),
        val_batches=ToyBatches(num_images, seed=1),
        settings=train_settings,
        judges=(*standard_judges(train_settings), *judges),
        folder=folder,
        interrupt=interrupt or Interrupt(),
        on_batch=lambda done, total: None,  # noqa: ARG005 - nobody watches
        on_unsaved=lambda error: None,  # noqa: ARG005
    )


def run_to_end(loop: Loop, start: Progress | None = None) -> tuple[list[EpochReport], Outcome]:
    reports, generator = [], loop.run(start)
    while True:
        try:
            reports.append(next(generator))
        except StopIteration as end:
            return reports, end.value


def weights(loop: Loop) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in loop.stepper.network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())
