"""Convolution as a sum of shifted 1×1 products: R·S small matrix products, no window is ever copied together.

A 1×1 kernel is a plain matrix product; with one channel per group (depthwise) it is R·S scaled additions.
"""

from __future__ import annotations

from torch import Tensor

from cnnexp.convolution.geometry import Geometry


def shift(images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Convolves images (N, C, H, W) with a weight (K, C/G, R, S); returns (N, K, P, Q)."""
    padded = geometry.pad(images)
    multiply = _per_channel if len(weight) == geometry.groups == images.shape[1] else _mix_channels
    total: Tensor | None = None
    for row in range(geometry.kernel[0]):
        for column in range(geometry.kernel[1]):
            pixels = geometry.shifted(padded, row, column)
            product = multiply(pixels, weight[:, :, row, column], geometry.groups)
            total = product if total is None else total + product
    assert total is not None
    return total


def _mix_channels(pixels: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Pixels (N, C, P, Q) times a weight (K, C/G): each pixel's channels are mixed, (N, K, P, Q)."""
    num_images, channels, height, width = pixels.shape
    if groups == 1 and pixels.stride(1) == 1:  # channels last
        return (pixels.movedim(1, -1) @ weight.t()).movedim(-1, 1)
    grouped = pixels.reshape(num_images, groups, channels // groups, height * width)
    return (weight.reshape(groups, -1, weight.shape[1]) @ grouped).reshape(
        num_images, len(weight), height, width
    )


def _per_channel(pixels: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Pixels (N, C, P, Q) times one number (C, 1) for each channel."""
    return pixels * weight.reshape(groups, 1, 1)
