"""im2col for a CPU: a block of images at a time, small enough for the cache, with a backward of its own.

Everything is a matrix product of a weight with `windows.py`, in either direction. Images keep their layout:
channels first or last, the products read and write both without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from cnnexp.convolution.geometry import Geometry, Pair
from cnnexp.convolution.im2col import im2col
from cnnexp.convolution.row_windows import RowWindows
from cnnexp.convolution.whole_windows import WHOLE_DEPTH, WholeWindows
from cnnexp.convolution.windows import Axis, Pairs, Windows, gather, scatter

# Measured on an Intel Xeon with AVX-512 and 2 MiB of second-level cache, torch 2.14, one thread.
_BLOCK_BYTES = 2**20  # windows of one block
_FEW_CHANNELS = 8  # below it a pixel's channels are too short a run to be copied one by one
_ENOUGH_COLUMNS = 512  # output pixels of one image that fill a matrix product
HALVES = {torch.float16, torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Work:
    """One group of channels: what is read along the axes, and which layout of windows is for it."""

    channels: slice
    kernels: slice
    rows: Axis
    columns: Axis
    is_whole: bool

    def windows(self, count: int, rows: Axis, like: Tensor) -> Windows:
        """Makes windows for some images and some of the rows."""
        layout = WholeWindows if self.is_whole else RowWindows
        return layout(count, self.channels.stop - self.channels.start, rows, self.columns, like=like)

    def bytes_per_row(self, item: int) -> int:
        """Memory of the windows of one row of output pixels of one image."""
        height = len(self.rows.taps) if self.is_whole else self.rows.step
        channels = self.channels.stop - self.channels.start
        elements: int = channels * height * len(self.columns.taps) * self.columns.output
        return elements * item


def fits(images: Tensor, weight: Tensor) -> bool:
    """Whether blocks can compute this: plain CPU tensors of one real floating dtype."""
    is_plain = all(type(one) in {Tensor, torch.nn.Parameter} for one in (images, weight))
    is_here = images.device.type == weight.device.type == "cpu"
    return is_plain and is_here and images.dtype == weight.dtype and images.is_floating_point()


def im2col_in_blocks(images: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Convolves images (N, C, H, W) with a weight (K, C/G, R, S) and adds a bias (K,): (N, K, P, Q)."""
    wanted = (one is not None and one.requires_grad for one in (images, weight, bias))
    if not (torch.is_grad_enabled() and any(wanted)):
        return _Blocks.forward(images, weight, bias, geometry)  # `apply` alone takes 0.05 ms
    return _Blocks.apply(images, weight, bias, geometry)  # type: ignore[no-any-return]


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        shape = len(images), len(weight), *geometry.output
        out = torch.empty(shape, dtype=images.dtype, memory_format=layout(images, weight))
        weights = _as_rows(weight, bias)
        for work in _groups(images, weight, geometry):
            for windows, pairs, rows, block in _walk(work, _source(work, images, geometry)):
                gather(pairs, block)
                windows.multiply(weights[work.kernels], out[block, work.kernels, rows])
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401, ARG004
        images, weight, bias, ctx.geometry = inputs
        ctx.has_bias = bias is not None
        ctx.save_for_backward(images, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        images, weight = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody will differentiate the gradient
            return *_differentiable(images, weight, gradient, ctx), None
        to_images = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_images = _image_gradient(images, weight, gradient, ctx.geometry)
        if any(ctx.needs_input_grad[1:3]):
            to_weight, to_bias = _weight_gradient(images, weight, gradient, ctx.geometry)
        return to_images, to_weight, to_bias if ctx.has_bias else None, None


def _image_gradient(images: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry) -> Tensor:
    made = torch.zeros_like(images, dtype=_sum_dtype(images))
    weights, gradient = _as_rows(weight, None).to(made.dtype), gradient.to(made.dtype)
    for work in _groups(images, weight, geometry):
        into = _source(work, made, geometry)
        for windows, pairs, rows, block in _walk(work, into, adds=True):
            windows.take_gradient(weights[work.kernels], gradient[block, work.kernels, rows])
            scatter(pairs, block)
        own = made[:, work.channels]
        if into.data_ptr() != own.data_ptr():  # it was a copy, perhaps with zeros around it
            top, left = (geometry.padding[0], geometry.padding[2]) if work.is_whole else (0, 0)
            own.copy_(into[:, :, top : top + own.shape[2], left : left + own.shape[3]])
    return made.to(images.dtype)


def _weight_gradient(
    images: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor]:
    made = weight.new_zeros((len(weight), weight[0].numel() + 1), dtype=_sum_dtype(images))
    for work in _groups(images, weight, geometry):
        for windows, pairs, rows, block in _walk(work, _source(work, images, geometry)):
            gather(pairs, block)
            windows.add_weight_gradient(gradient[block, work.kernels, rows], made[work.kernels])
    kernels, channels, *kernel = weight.shape
    boxes = made[:, :-1].reshape(kernels, *kernel, channels).permute(0, 3, 1, 2)
    return torch.empty_like(weight).copy_(boxes), made[:, -1].to(weight.dtype)


def _differentiable(images: Tensor, weight: Tensor, gradient: Tensor, ctx: Any) -> list[Tensor | None]:  # noqa: ANN401
    """The gradients by autograd through the textbook form, so that they have gradients themselves."""
    product, needed = im2col(images, weight, ctx.geometry), ctx.needs_input_grad
    found: list[Tensor | None] = [
        torch.autograd.grad(product, one, gradient, create_graph=True)[0] if is_needed else None
        for one, is_needed in zip((images, weight), needed[:2], strict=True)
    ]
    return [*found, gradient.sum(dim=(0, 2, 3)) if needed[2] else None]


def _as_rows(weight: Tensor, bias: Tensor | None) -> Tensor:
    """Returns (K, R·S·C + 1): every kernel as a row, and its bias."""
    last = weight.new_zeros(len(weight)) if bias is None else bias
    return torch.cat([weight.permute(0, 2, 3, 1).flatten(1), last[:, None]], dim=1)


def _sum_dtype(images: Tensor) -> torch.dtype:
    """The dtype of gradients that are added up: half precision would round each time."""
    return torch.float32 if images.dtype in HALVES else images.dtype


def layout(images: Tensor, weight: Tensor) -> torch.memory_format:
    """The layout of the output, as nn.Conv2d decides: channels last if the images or the weight are so."""
    last = any(one.stride(1) == 1 and not one.is_contiguous() for one in (images, weight))
    return torch.channels_last if last else torch.contiguous_format


def _groups(images: Tensor, weight: Tensor, geometry: Geometry) -> tuple[Work, ...]:
    # Row windows add up in the output, kernel row by kernel row: half precision would round each time.
    is_whole = weight[0].numel() <= WHOLE_DEPTH or images.dtype in HALVES
    size = images.shape[2], images.shape[3]
    return _plan(size, len(weight), weight.shape[1], geometry, is_whole=is_whole)


@lru_cache(maxsize=256)  # 0.01 ms for each call, and a network has the same few shapes at every step
def _plan(
    size: Pair, num_kernels: int, num_channels: int, geometry: Geometry, *, is_whole: bool
) -> tuple[Work, ...]:
    top, bottom, left, right = geometry.padding
    if is_whole:  # for few channels a padded copy costs little
        size, top, left = (size[0] + top + bottom, size[1] + left + right), 0, 0
    taps = [
        tuple(number * spacing - around for number in range(count))
        for count, spacing, around in zip(geometry.kernel, geometry.dilation, (top, left), strict=True)
    ]
    rows, columns = (Axis(*axis) for axis in zip(taps, geometry.stride, size, geometry.output, strict=True))
    per_group = num_kernels // geometry.groups
    return tuple(
        Work(
            slice(g * num_channels, (g + 1) * num_channels),
            slice(g * per_group, (g + 1) * per_group),
            rows,
            columns,
            is_whole,
        )
        for g in range(geometry.groups)
    )


def _source(work: Work, images: Tensor, geometry: Geometry) -> Tensor:
    """The group's channels, in planes where a pixel's channels are too short a run to be copied."""
    own = images[:, work.channels]
    if own.shape[1] < _FEW_CHANNELS or work.is_whole:
        own = own.contiguous()
    return geometry.pad(own) if work.is_whole else own


def _walk(work: Work, images: Tensor, *, adds: bool = False) -> Iterator[tuple[Windows, Pairs, slice, slice]]:
    """Goes through images (N, C, H, W): windows, their pairs with the images, rows of output, images."""
    strip, count = _block_size(work, images)
    rest = len(images) % count
    for first in range(0, work.rows.output, strip):
        last = min(first + strip, work.rows.output)
        for size, begin, end in (count, 0, len(images) - rest), (rest, len(images) - rest, len(images)):
            if begin == end:
                continue
            windows = work.windows(size, work.rows.part(first, last), images)
            pairs = windows.targets(images) if adds else windows.sources(images)
            for start in range(begin, end, size):
                yield windows, pairs, slice(first, last), slice(start, start + size)


def _block_size(work: Work, images: Tensor) -> tuple[int, int]:
    """Returns rows of output and images of one block; several images only where each is whole."""
    rows, row_bytes = work.rows.output, work.bytes_per_row(images.element_size())
    if rows * row_bytes > 1.5 * _BLOCK_BYTES:
        return max(1, _BLOCK_BYTES // row_bytes), 1
    if not work.is_whole and rows * work.columns.output >= _ENOUGH_COLUMNS:
        return rows, 1
    num_blocks = -(-len(images) * rows * row_bytes // _BLOCK_BYTES)
    return rows, max(1, -(-len(images) // max(1, num_blocks)))  # blocks of nearly one size
