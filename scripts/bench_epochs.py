"""Steady epochs with validation: ours, the compute floor, and a `DataLoader` with per-image transforms.

Ours is the loop that `cnnexp train` runs, checkpoints and all, without a tracker. The floor is the same
number of steps and validation batches on one resident float batch: no data work at all.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from cnnexp.data.dataset import Part
from cnnexp.experiment.assemble import Assembly, assemble, build_loop
from cnnexp.experiment.listener import Listener
from cnnexp.settings import Given, resolve
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.loop import Loop
from scripts import bench_plugin
from scripts.bench_rounds import Ratio, interleaved, ratio, timed

MANY_EPOCHS = 1000
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
LOADER_WORKERS = 2
Transform = Callable[[Any], Tensor]


@dataclass(frozen=True, slots=True)
class EpochCase:
    """What is trained, how others prepare its images, and what ours is held against.

    Attributes:
        settings: of `cnnexp train`.
        transform: makes the per-image transform of the `DataLoader` way.
        images: makes the data set of the `DataLoader` way from a part.
        graph_in_validation: the `DataLoader` way validates without `no_grad`, as its original did.
        at_most: times the floor of the better layout.
        at_least: times as fast as the `DataLoader` way.
    """

    settings: Mapping[str, object]
    transform: Callable[[], Transform]
    images: Callable[[Part, Transform], Dataset[tuple[Tensor, int]]]
    graph_in_validation: bool
    at_most: float
    at_least: float


def to_tensor() -> Transform:
    """Pixels to [0, 1], nothing else."""
    from torchvision import transforms

    made: Transform = transforms.ToTensor()
    return made


def crop_flip_to_tensor() -> Transform:
    """What CIFAR-10 is usually trained with."""
    from torchvision import transforms

    half = (0.5, 0.5, 0.5)
    steps = (
        transforms.RandomCrop(32, padding=4),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(half, half),
    )
    made: Transform = transforms.Compose(steps)
    return made


class SingleImages(Dataset[tuple[Tensor, int]]):
    """A part as torchvision's data sets give it: a PIL image at a time, transformed on its own."""

    def __init__(self, part: Part, transform: Transform) -> None:
        self._images = part.read(torch.arange(len(part))).permute(0, 2, 3, 1).numpy()
        self._labels = part.labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        from PIL import Image

        pixels = self._images[row]
        return self._transform(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)), (
            self._labels[row]
        )


def fashion_images(part: Part, transform: Transform) -> Dataset[tuple[Tensor, int]]:
    """Returns a part in torchvision's own class, as the original experiment read it."""
    from torchvision.datasets import FashionMNIST

    images: Any = FashionMNIST.__new__(FashionMNIST)  # its constructor reads files
    images.data, images.targets = part.read(torch.arange(len(part)))[:, 0].contiguous(), part.labels
    images.transform, images.target_transform = transform, None
    return cast("Dataset[tuple[Tensor, int]]", images)


ADAM = {"batch_size": 64, "optimizer": "adam", "lr": 0.001}
CASES = {
    "lenet": EpochCase(
        {**ADAM, "model": "lenet", "dataset": "fashion-mnist"}, to_tensor, fashion_images, True, 1.10, 3.3
    ),
    "cifar": EpochCase(
        {
            **ADAM,
            "model": bench_plugin.CIFAR,
            "dataset": bench_plugin.CIFAR,
            "augment": "crop-flip",
            "normalize": "half",
        },
        crop_flip_to_tensor,
        SingleImages,
        False,
        1.08,
        1.85,
    ),
}


def compare_epochs(name: str, case: EpochCase, folder: Path, *, rounds: int, fraction: float) -> list[Ratio]:
    """Measures a case after one epoch of each way that does not count; checkpoints go to the folder."""
    assembly = _assembled({**case.settings, "fraction": fraction, "epochs": MANY_EPOCHS})
    loop = _loop(assembly, folder)
    reports = loop.run()
    ways: dict[str, Callable[[], object]] = {"ours": lambda: next(reports)}
    ways |= {f"floor, {layout}": floor_epoch(assembly, loop, layout) for layout in LAYOUTS}
    ways["DataLoader"] = loader_epoch(assembly, case)
    parts = f"{len(assembly.dataset.train):,} training and {len(assembly.dataset.val):,} validation images"
    print(f"{name}: an epoch of {parts}, batch {assembly.settings.optimization.batch_size}", flush=True)
    measures = {way: timed(run) for way, run in ways.items()}
    for measure in measures.values():
        measure()
    seconds = interleaved(measures, rounds)
    best = min((f"floor, {layout}" for layout in LAYOUTS), key=lambda way: statistics.median(seconds[way]))
    return [
        ratio(f"{name}: ours / {best}", seconds["ours"], seconds[best], at_most=case.at_most),
        ratio(f"{name}: DataLoader / ours", seconds["DataLoader"], seconds["ours"], at_least=case.at_least),
    ]


def floor_epoch(assembly: Assembly, loop: Loop, layout: str) -> Callable[[], None]:
    """Returns an epoch of nothing but arithmetic, in batches of the very sizes of ours."""
    network = copy.deepcopy(assembly.network).to(memory_format=LAYOUTS[layout])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
    train_sizes, val_sizes = (
        [len(labels) for _, labels in batches.epoch(0)] for batches in (loop.train_batches, loop.val_batches)
    )
    positions = torch.arange(max(train_sizes + val_sizes)) % len(assembly.dataset.train)
    images = assembly.normalize(assembly.dataset.train.read(positions)).contiguous(
        memory_format=LAYOUTS[layout]
    )
    labels = assembly.dataset.train.labels[positions]

    def epoch() -> None:
        network.train()
        for size in train_sizes:
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(network(images[:size]), labels[:size]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            for size in val_sizes:
                F.cross_entropy(network(images[:size]), labels[:size])

    return epoch


def loader_epoch(assembly: Assembly, case: EpochCase) -> Callable[[], None]:
    """Returns an epoch as the original experiment wrote it: workers, and `.item()` after every step."""
    network = copy.deepcopy(assembly.network).to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    train, val = (
        DataLoader(
            case.images(part, case.transform()),
            batch_size=assembly.settings.optimization.batch_size,
            shuffle=part is assembly.dataset.train,
            num_workers=LOADER_WORKERS,
        )
        for part in (assembly.dataset.train, assembly.dataset.val)
    )

    def epoch() -> None:
        network.train()
        for images, labels in train:
            logits = network(images)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
            optimizer.step()
            _measured(loss, logits, labels)
        network.eval()
        with torch.set_grad_enabled(case.graph_in_validation):
            for images, labels in val:
                logits = network(images)
                _measured(F.cross_entropy(logits, labels), logits, labels)

    return epoch


def _measured(loss: Tensor, logits: Tensor, labels: Tensor) -> tuple[float, float]:
    return loss.item(), (logits.argmax(dim=1) == labels).sum().item()


def _assembled(settings: Mapping[str, object]) -> Assembly:
    return assemble(
        resolve({name: Given(value, "the benchmark") for name, value in settings.items()}), Listener()
    )


def _loop(assembly: Assembly, folder: Path) -> Loop:
    def unsaved(error: OSError) -> None:
        raise error

    listener = Listener()
    return build_loop(
        assembly,
        folder=folder,
        interrupt=Interrupt(),
        extra_judges=(),
        on_batch=listener.batch,
        on_unsaved=unsaved,
    )
