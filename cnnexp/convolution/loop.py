"""Convolution as it is defined, in Python loops over output pixels: to be read, and to judge the others by.

Three steps, each made of the one before: one kernel on one channel, one kernel on all channels, many kernels.
Some thousand times slower than a library's: each output pixel is a few calls from Python.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cnnexp.convolution.geometry import Geometry


class OneChannel(torch.autograd.Function):
    """One kernel (R, S) slid over one padded channel (N, H, W), and its gradient by the same two loops.

    Autograd could differentiate the loops, but would keep some kilobytes for each output pixel: gigabytes.
    """

    @staticmethod
    def forward(images: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
        """Returns (N, P, Q): at each place the sum of the window times the kernel."""
        out = images.new_empty(len(images), *geometry.output)
        for p in range(geometry.output[0]):
            for q in range(geometry.output[1]):
                out[:, p, q] = (images[:, *geometry.window(p, q)] * kernel).sum(dim=(1, 2))
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Geometry], output: Tensor) -> None:  # noqa: ANN401, ARG004
        """Keeps what the gradient needs."""
        images, kernel, ctx.geometry = inputs
        ctx.save_for_backward(images, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        """Each output pixel hands its gradient to the window it saw, and to the kernel it saw it with."""
        images, kernel = ctx.saved_tensors
        to_images, to_kernel = torch.zeros_like(images), torch.zeros_like(kernel)
        for p in range(ctx.geometry.output[0]):
            for q in range(ctx.geometry.output[1]):
                window, pixel = ctx.geometry.window(p, q), gradient[:, p, q, None, None]
                to_images[:, *window] += pixel * kernel
                to_kernel += (pixel * images[:, *window]).sum(dim=0)
        return to_images, to_kernel, None


def one_channel(images: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Slides one kernel (R, S) over one padded channel (N, H, W); returns (N, P, Q)."""
    return OneChannel.apply(images, kernel, geometry)  # type: ignore[no-any-return]


def one_kernel(images: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Adds up one kernel (C, R, S) over all padded channels (N, C, H, W); returns (N, P, Q)."""
    total = one_channel(images[:, 0], kernel[0], geometry)
    for c in range(1, len(kernel)):
        total = total + one_channel(images[:, c], kernel[c], geometry)
    return total


def many_kernels(images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Stacks what each kernel of a weight (K, C, R, S) makes of padded images (N, C, H, W): (N, K, P, Q)."""
    return torch.stack([one_kernel(images, kernel, geometry) for kernel in weight], dim=1)


def loop(images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Convolves images (N, C, H, W) with a weight (K, C/G, R, S), group by group; returns (N, K, P, Q)."""
    channels = geometry.pad(images).chunk(geometry.groups, dim=1)
    kernels = weight.chunk(geometry.groups, dim=0)
    made = [many_kernels(c, k, geometry) for c, k in zip(channels, kernels, strict=True)]
    return torch.cat(made, dim=1)
