"""Histograms of oriented gradients: which way edges run, and where; what tells photos of things apart.

Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005, in a small form: images
of at most 32×32, cells of an 8×8 grid, eight orientations, one norm per image.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SIDE, GRID, ORIENTATIONS = 32, 8, 8
NUM_OUTLINES = GRID * GRID * ORIENTATIONS

Outlines = NDArray[np.float32]


def outlines(images: Tensor) -> Outlines:
    """Returns the histograms of each image as one vector of length at most 1.

    Args:
        images: uint8 (N, C, H, W).

    Returns:
        float32 (N, 512).
    """
    pixels = images.float() / 255
    if max(pixels.shape[-2:]) > SIDE:
        size = (min(SIDE, pixels.shape[-2]), min(SIDE, pixels.shape[-1]))
        pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False)
    across, down = _gradients(pixels)
    strength = torch.hypot(across, down)
    direction = (
        torch.atan2(down, across) / math.pi * ORIENTATIONS
    )  # light to dark or dark to light: the same edge
    lower = direction.floor()
    share = direction - lower
    bins = lower.long().remainder(ORIENTATIONS).unsqueeze(1)
    of_bins = strength.new_zeros(len(pixels), ORIENTATIONS, *strength.shape[1:])
    of_bins.scatter_(1, bins, (strength * (1 - share)).unsqueeze(1))
    of_bins.scatter_add_(1, (bins + 1).remainder(ORIENTATIONS), (strength * share).unsqueeze(1))
    cells = F.adaptive_avg_pool2d(of_bins, GRID).sqrt().flatten(1)  # the root tames one strong edge
    found: Outlines = (cells / (cells.norm(dim=1, keepdim=True) + 1e-3)).numpy()
    return found


def _gradients(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the differences (N, H, W) along width and height, of the channel where they are largest."""
    padded = F.pad(pixels, (1, 1, 1, 1), mode="replicate")
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    strongest = (across.square() + down.square()).argmax(dim=1, keepdim=True)
    return across.gather(1, strongest).squeeze(1), down.gather(1, strongest).squeeze(1)
