"""How long the loops over output pixels will take, told beforehand from a few of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from cnnexp.convolution.geometry import Padding, Pair, find_geometry
from cnnexp.convolution.loop import many_kernels

_FEW = 3  # output rows, columns, channels and kernels that are tried
_ROUNDS = 3  # the fastest counts: the others waited for something


def loop_seconds(
    images: tuple[int, ...],
    weight: tuple[int, ...],
    *,
    stride: int | Pair = 1,
    padding: Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> tuple[float, float]:
    """Returns the seconds of one pass of `loop`, forward alone and forward with backward; on the CPU.

    Every output pixel of every kernel on every channel costs the same few calls, on images of this size and
    batch: some of them are timed, the rest is a multiplication. Right to some tens of percent.

    Args:
        images: shape (N, C, H, W).
        weight: shape (K, C/groups, R, S).
        stride: as of the convolution.
        padding: as of the convolution.
        dilation: as of the convolution.
        groups: as of the convolution.

    Raises:
        ConvolutionError: sizes that do not fit each other.
    """
    geometry = find_geometry(images, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    few = replace(geometry, output=(min(geometry.output[0], _FEW), min(geometry.output[1], _FEW)))
    kernels, channels = min(weight[0] // groups, _FEW), min(weight[1], _FEW)
    pixels = geometry.pad(torch.zeros(images[0], channels, *images[2:])).requires_grad_()
    some = torch.zeros(kernels, channels, *weight[2:], requires_grad=True)

    def forward() -> Tensor:
        return many_kernels(pixels, some, few)

    def step() -> None:
        forward().sum().backward()  # type: ignore[no-untyped-call]  # torch ships it untyped

    whole = weight[0] * weight[1] * geometry.output[0] * geometry.output[1]
    tried = kernels * channels * few.output[0] * few.output[1]
    with torch.no_grad():
        alone = _fastest(forward)
    return alone * whole / tried, _fastest(step) * whole / tried


def _fastest(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
