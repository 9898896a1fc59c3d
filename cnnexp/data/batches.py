"""Batches of one part, epoch by epoch; the order is a pure function of seed and epoch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cnnexp.data.dataset import ImageSource, MemorySource, Part
from cnnexp.errors import DataError

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

MOVE_BYTES = 64 << 20  # moved to a device at a time, so that no second copy of a set is made on the way


class Batches:
    """Iterates over a part.

    A resident source is moved to the device once, and a batch is an index into it; any other one streams
    through worker processes, in the same order.

    Args:
        part: what to iterate over.
        batch_size: images a batch; the last one of an epoch has what is left.
        device: where batches are wanted.
        shuffle: a new order in every epoch; else file order.
        seed: decides the orders, together with the epoch's number.
        workers: processes that decode where images stream; 0: as many as cores.
        memory_format: layout of the images; None: as they lie.
        merge_single: a last batch of one image joins the batch before it (batch norm cannot train on one).
    """

    def __init__(
        self,
        part: Part,
        *,
        batch_size: int,
        device: torch.device | str,
        shuffle: bool,
        seed: int,
        workers: int = 0,
        memory_format: torch.memory_format | None = None,
        merge_single: bool = False,
    ) -> None:
        self.num_images = len(part)
        self._device = torch.device(device)
        self._seed, self._shuffle, self._format = seed, shuffle, memory_format
        self._batch_size, self._merge_single = batch_size, merge_single
        self._labels = part.labels.to(self._device)
        self._source: ImageSource = part.source
        self._rows = part.indices
        self._workers = workers or os.cpu_count() or 1
        self._loader: DataLoader[Tensor] | None = None
        self._sampler = _Lists([])
        if part.source.resident and self._device.type != "cpu":
            self._source = _moved(part, self._device)
            self._rows = torch.arange(len(part), device=self._device)

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self._sizes())

    def epoch(self, n: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields uint8 images (B, C, H, W) and int64 labels (B,) on the device; every image once.

        Raises:
            DataError: a file that was sound when the set was loaded cannot be read any more.
        """
        order, sizes = self.order(n), self._sizes()
        # The whole order at once: a copy to the device for every batch would wait for it every time.
        positions = torch.split(order.to(self._device), sizes)
        resident = self._source.resident
        images = self._resident(positions) if resident else self._streamed(torch.split(order, sizes))
        for of_batch, batch in zip(positions, images, strict=True):
            yield self._laid(batch), self._labels[of_batch]

    def close(self) -> None:
        """Ends the worker processes; another epoch would start new ones.

        Left to the garbage collector they end too, but it waits 5 s for each.
        """
        self._loader = None

    def order(self, n: int) -> Tensor:
        """Returns the positions within the part in the order of epoch n, int64 on the CPU."""
        if not self._shuffle:
            return torch.arange(self.num_images)
        # Mixed, so that seed 1 epoch 2 is not seed 2 epoch 1; a CPU generator heeds 32 bits of a seed only.
        mixed = int(np.random.SeedSequence([self._seed, n]).generate_state(1)[0])
        generator = torch.Generator().manual_seed(mixed)
        return torch.randperm(self.num_images, generator=generator)

    def _sizes(self) -> list[int]:
        whole, rest = divmod(self.num_images, self._batch_size)
        sizes = [self._batch_size] * whole + ([rest] if rest else [])
        if self._merge_single and len(sizes) > 1 and sizes[-1] == 1:
            sizes[-2:] = [sizes[-2] + 1]
        return sizes

    def _resident(self, positions: tuple[Tensor, ...]) -> Iterator[Tensor]:
        return (self._source.read(self._rows[of_batch]) for of_batch in positions)

    def _streamed(self, positions: tuple[Tensor, ...]) -> Iterator[Tensor]:
        if self._loader is None:
            self._loader = _loader(self._source, self._sampler, self._workers, self._device)
        self._sampler.lists = [self._rows[of_batch].tolist() for of_batch in positions]
        try:
            for images in self._loader:
                yield images.to(self._device, non_blocking=True)
        except (
            DataError
        ) as error:  # a worker's error arrives with its traceback as text: the sentence is its end
            raise DataError(str(error).rpartition(f"{DataError.__name__}: ")[2].strip()) from error

    def _laid(self, images: Tensor) -> Tensor:
        return images if self._format is None else images.contiguous(memory_format=self._format)


class _Lists:
    """A batch sampler whose lists are set before every epoch, so that workers live on between epochs."""

    def __init__(self, lists: list[list[int]]) -> None:
        self.lists = lists

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.lists)

    def __len__(self) -> int:
        return len(self.lists)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What workers read from: a whole batch at a call."""

    source: ImageSource

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, rows: list[int]) -> Tensor:
        return self.source.read(torch.tensor(rows))

    def __getitem__(self, row: int) -> Tensor:
        return self.source.read(torch.tensor([row]))[0]


def _as_read(batch: Tensor) -> Tensor:
    return batch


def _loader(source: ImageSource, sampler: _Lists, workers: int, device: torch.device) -> DataLoader[Tensor]:
    from torch.utils.data import DataLoader

    return DataLoader(
        _Rows(source),  # type: ignore[arg-type]  # a data set by protocol; the base class adds nothing
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_as_read,  # type: ignore[arg-type]  # `__getitems__` gives a batch, not a list
        persistent_workers=True,
        pin_memory=device.type == "cuda",
        # Else it draws a seed from the global generator: a resumed run would draw at another place.
        generator=torch.Generator().manual_seed(0),
    )


def _moved(part: Part, device: torch.device) -> MemorySource:
    """Copies a part's images to a device, a piece at a time, in (N, H, W, C) memory."""
    first = part.read(torch.tensor([0])).permute(0, 2, 3, 1)
    images = torch.empty((len(part), *first.shape[1:]), dtype=torch.uint8, device=device)
    step = max(1, MOVE_BYTES // first.numel())
    for start in range(0, len(part), step):
        positions = torch.arange(start, min(start + step, len(part)))
        images[start : start + len(positions)] = part.read(positions).permute(0, 2, 3, 1).to(device)
    return MemorySource(images.permute(0, 3, 1, 2), part.labels.to(device))
