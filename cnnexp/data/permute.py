"""One permutation of the pixels for all images: what a network without convolutions does not notice.

It is a step of the preprocessing and not of the data: decoded images, their cache and their pictures stay as
they are, and a logged model takes them so.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PermutePixels(nn.Module):
    """Puts the pixels of every image in one other order, the same for all images and channels.

    Args:
        size: height and width.
        seed: decides the order; the same seed gives the same order on every machine.

    Shapes:
        (N, C, H, W) of any dtype -> the same, in the input's memory layout.
    """

    order: Tensor

    def __init__(self, size: tuple[int, int], *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("order", torch.randperm(size[0] * size[1], generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        """Returns permuted images."""
        batch, channels, height, width = images.shape
        if channels == 1 or not images.is_contiguous(memory_format=torch.channels_last):
            return images.flatten(2).index_select(2, self.order).view(batch, channels, height, width)
        pixels = images.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        return pixels.index_select(1, self.order).view(batch, height, width, channels).permute(0, 3, 1, 2)
