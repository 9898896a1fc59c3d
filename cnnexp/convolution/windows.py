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

Pairs = list[tuple[Tensor, Tensor]]
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

    def is_inside(self, tap: int, count: int) -> bool:
        """Whether a tap reads inside the image for all of the outputs 0 to count − 1."""
        return tap >= 0 and tap + (count - 1) * self.step < self.input

    def pixels(self, tap: int, first: int, last: int) -> slice:
        """Returns the pixels that a tap reads for outputs first to last − 1."""
        start = tap + first * self.step
        if first == last:
            return slice(0, 0)
        return slice(start, start + (last - first - 1) * self.step + 1, self.step)

    def part(self, first: int, last: int) -> Axis:
        """Returns the axis of outputs first to last − 1 alone."""
        if (first, last) == (0, self.output):
            return self
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


class Windows(ABC):
    """Windows of n images and some rows of output pixels as matrices; the layouts are subclasses."""

    @abstractmethod
    def sources(self, images: Tensor) -> Pairs:
        """Returns views into the windows beside those into images (N, C, H, W) that are copied there."""

    @abstractmethod
    def targets(self, images: Tensor) -> Pairs:
        """Returns such pairs where no view overlaps itself: windows can be added to the images."""

    @abstractmethod
    def multiply(self, weights: Tensor, out: Tensor) -> None:
        """Writes the product of weights (K, R·S·C + 1) with the windows to out (n, K, P, Q)."""

    @abstractmethod
    def add_weight_gradient(self, gradient: Tensor, weights: Tensor) -> None:
        """Adds the gradient of the weights (K, R·S·C + 1), given that of the output (n, K, P, Q)."""

    @abstractmethod
    def take_gradient(self, weights: Tensor, gradient: Tensor) -> None:
        """Overwrites the windows with their gradient, given that of the output (n, K, P, Q)."""


def pair_of_tap(
    windows: Tensor, images: Tensor, rows: Axis, columns: Axis, taps: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Returns what of windows (n, C, rows, Q) a tap fills from inside the images, and its pixels there."""
    top, bottom = rows.reach(taps[0], windows.shape[2])
    left, right = columns.reach(taps[1], windows.shape[3])
    read = rows.pixels(taps[0], top, bottom), columns.pixels(taps[1], left, right)
    return windows[:, :, top:bottom, left:right], images[:, :, *read]


def windows_view(images: Tensor, shape: tuple[int, ...], rows: Axis, columns: Axis, top: int) -> Tensor:
    """Returns (N, R, S, C, rows, Q): what all taps read, if that is all inside the images, without a copy.

    Args:
        images: (N, C, H, W).
        shape: R, S, C, rows, Q.
        rows: its step and the spacing of its taps count.
        columns: all of it counts.
        top: the image row that the first tap reads for the first output.
    """
    per_image, per_channel, per_row, per_pixel = images.stride()
    down, right = per_row * rows.spacing, per_pixel * columns.spacing
    strides = (per_image, down, right, per_channel, per_row * rows.step, per_pixel * columns.step)
    start = images.storage_offset() + top * per_row + columns.taps[0] * per_pixel
    return images.as_strided((len(images), *shape), strides, start)


def gather(pairs: Pairs, block: slice) -> None:
    """Copies the pixels of a block of images into the windows."""
    for windows, images in pairs:
        windows.copy_(images[block])


def scatter(pairs: Pairs, block: slice) -> None:
    """Adds what stands in the windows onto the pixels of a block of images: the transpose of `gather`."""
    for windows, images in pairs:
        images[block].add_(windows)
