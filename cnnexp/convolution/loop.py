"""Convolution as it is defined, in Python loops over output pixels: to be read, and to judge the others by.

Three steps, each made of the one before: one kernel on one channel, one kernel on all channels, many kernels.
Some thousand times slower than a library's: each output pixel is a few calls from Python.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cnnexp.convolution.geometry import Geometry


def one_channel(images: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Slides one kernel (R, S) over one padded channel (N, H, W); returns (N, P, Q)."""
    (step_down, step_right), (apart_down, apart_right) = geometry.stride, geometry.dilation
    height, width = geometry.extent
    rows = []
    for p in range(geometry.output[0]):
        row = []
        for q in range(geometry.output[1]):
            top, left = p * step_down, q * step_right
            window = images[:, top : top + height : apart_down, left : left + width : apart_right]
            row.append((window * kernel).sum(dim=(1, 2)))
        rows.append(torch.stack(row, dim=1))
    return torch.stack(rows, dim=1)


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
