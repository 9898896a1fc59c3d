"""Array images too large for memory once enlarged: kept small, enlarged at every reading."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cnnexp.data.arrays import fit_arrays
from cnnexp.data.reading import Frame


@dataclass(frozen=True, slots=True)
class ArraySource:
    """An `ImageSource` over images in their own shape, uint8 (N, H, W, C)."""

    images: Tensor
    labels: Tensor
    frame: Frame
    resident: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Tensor) -> Tensor:
        """Returns uint8 images (B, C, H, W) for int64 indices (B,)."""
        fitted = fit_arrays(self.images[indices].numpy(), self.frame)
        return torch.from_numpy(fitted).permute(0, 3, 1, 2)
