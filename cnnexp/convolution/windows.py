"""What windows of images have in common: which pixels they show, and memory that is used again and again.

Pixels are copied into windows for the forward pass and the gradient of the weight; what stands in windows is
added back onto the pixels for the gradient of the images. Beyond the edge are zeros.

The matrix of all weights that windows are multiplied with is (K, R·S·C + 1): a row per kernel, its elements
in the order r, s, c, and the bias, zero where there is none.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

_kept = threading.local()


@dataclass(frozen=True, slots=True)
class Axis:
    """What a kernel reads along one axis of an image.

    Attributes:
        taps: for each kernel element the pixel it reads for output 0; below 0 and past the end are zeros.
        step: pixels between outputs.
        input: pixels.
        output: outputs.
    """

    taps: tuple[int, ...]
    step: int
    input: int
    output: int

    @property
    def spacing(self) -> int:
        """Pixels between the taps."""
        return self.taps[1] - self.taps[0] if len(self.taps) > 1 else 0

    def reach(self, tap: int, count: int) -> tuple[int, int]:
        """Returns first and last + 1 of the outputs 0 to count − 1 for which a tap reads inside the image."""
        first = max(0, -(tap // self.step))
        return first, max(first, min(count, (self.input - 1 - tap) // self.step + 1))

    def pixels(self, tap: int, first: int, last: int) -> slice:
        """Returns the pixels that a tap reads for outputs first to last − 1."""
        start = tap + first * self.step
        return slice(start, start + (last - first - 1) * self.step + 1, self.step)

    def part(self, first: int, last: int) -> Axis:
        """Returns the axis of outputs first to last − 1 alone."""
        taps = tuple(tap + first * self.step for tap in self.taps)
        return Axis(taps, self.step, self.input, last - first)


def workspace(name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Returns memory of a shape, uninitialised, and the same one for the same name in the same thread.

    A temporary that is allocated anew is paid for with a page fault per 4 KiB, up to half of all the time.
    """
    buffers: dict[tuple[str, torch.dtype], Tensor] = _kept.__dict__.setdefault("buffers", {})
    key, size = (name, like.dtype), prod(shape)
    if key not in buffers or buffers[key].numel() < size:
        with torch.inference_mode(False):  # one made in inference mode could never be written in training
            buffers[key] = torch.empty(size, dtype=like.dtype)
    return buffers[key][:size].view(shape)


def forget_workspace() -> None:
    """Gives back the memory that this thread keeps; the next convolution allocates it anew."""
    _kept.__dict__.clear()


Pairs = list[tuple[Tensor, Tensor]]


class Windows(ABC):
    """Windows (n images, some rows of output pixels) as one or more matrices: the layouts are its subclasses.

    Attributes:
        places: a view (n, C, rows, columns) into the windows, and the rows and columns of the image there.
        is_sparse: some windows reach over the edge, where nothing is ever copied to.
    """

    def __init__(self) -> None:
        self.places: list[tuple[Tensor, slice, slice]] = []
        self.is_sparse = False

    def add_place(self, windows: Tensor, rows: Axis, columns: Axis, taps: tuple[int, int]) -> None:
        """Notes what one tap reads into windows (n, C, rows, Q)."""
        num_rows, num_columns = windows.shape[2:]
        top, bottom = rows.reach(taps[0], num_rows)
        left, right = columns.reach(taps[1], num_columns)
        self.is_sparse |= bottom - top < num_rows or right - left < num_columns
        if bottom > top and right > left:
            place = windows[:, :, top:bottom, left:right]
            self.places.append(
                (place, rows.pixels(taps[0], top, bottom), columns.pixels(taps[1], left, right))
            )

    def sources(self, images: Tensor) -> Pairs:
        """Returns pairs as `pairs` does, to read from only: a view into the images may overlap itself."""
        return self.pairs(images)

    def pairs(self, images: Tensor) -> Pairs:
        """Returns views into the windows beside the views into images (N, C, H, W) that belong there."""
        return [(windows, images[:, :, rows, columns]) for windows, rows, columns in self.places]

    @abstractmethod
    def multiply(self, weights: Tensor, out: Tensor) -> None:
        """Writes the product of weights (K, R·S·C + 1) with the windows to out (n, K, P, Q)."""

    @abstractmethod
    def add_weight_gradient(self, gradient: Tensor, weights: Tensor) -> None:
        """Adds the gradient of the weights (K, R·S·C + 1), given that of the output (n, K, P, Q)."""

    @abstractmethod
    def take_gradient(self, weights: Tensor, gradient: Tensor) -> None:
        """Overwrites the windows with their gradient, given that of the output (n, K, P, Q)."""


def gather(pairs: Pairs, block: slice) -> None:
    """Copies the pixels of a block of images into the windows."""
    for windows, images in pairs:
        windows.copy_(images[block])


def scatter(pairs: Pairs, block: slice) -> None:
    """Adds what stands in the windows onto the pixels of a block of images: the transpose of `gather`."""
    for windows, images in pairs:
        images[block].add_(windows)
