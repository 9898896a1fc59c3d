"""Convolution as one matrix product: every window becomes a column (Chellapilla et al., 2006).

The textbook form, in operations that autograd, torch.export and every device know. `blocks.py` is the same
sum for a CPU, where the matrix of all windows, R·S times the images, would not fit the cache.
"""

from __future__ import annotations

from torch import Tensor

from cnnexp.convolution.geometry import Geometry


def windows(padded: Tensor, geometry: Geometry) -> Tensor:
    """Returns every window of padded images (N, C, H, W) as (N, C, R, S, P, Q); a view, nothing is copied."""
    height, width = geometry.extent
    down = padded.unfold(2, height, geometry.stride[0])[..., :: geometry.dilation[0]]
    both = down.unfold(3, width, geometry.stride[1])[..., :: geometry.dilation[1]]
    return both.permute(0, 1, 4, 5, 2, 3)


def im2col(images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Convolves images (N, C, H, W) with a weight (K, C/G, R, S); returns (N, K, P, Q)."""
    columns = windows(geometry.pad(images), geometry)
    groups, (height, width) = geometry.groups, geometry.output
    num_images = images.shape[0]  # `len` would make a traced graph one of this batch size only
    depth = weight[0].numel()
    columns = columns.reshape(num_images, groups, depth, height * width)
    product = weight.reshape(groups, -1, depth) @ columns
    return product.reshape(num_images, len(weight), height, width)
