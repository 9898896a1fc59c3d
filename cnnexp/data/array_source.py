"""Array images that are used where they lie: joined, or enlarged at every reading."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cnnexp.data.arrays import fit_arrays
from cnnexp.data.dataset import MemorySource
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


@dataclass(frozen=True, slots=True)
class JoinedSource:
    """Sources of equal shape, one after the other; joining copies no image."""

    sources: tuple[MemorySource, ...]
    resident: bool = True

    def __len__(self) -> int:
        return sum(len(source) for source in self.sources)

    @property
    def labels(self) -> Tensor:
        """int64 (N,)."""
        return torch.cat([source.labels for source in self.sources])

    def read(self, indices: Tensor) -> Tensor:
        """Returns uint8 images (B, C, H, W) for int64 indices (B,)."""
        images, start = self.sources[0].images.new_empty(len(indices), *self.sources[0].images.shape[1:]), 0
        for source in self.sources:
            inside = ((indices >= start) & (indices < start + len(source))).nonzero()[:, 0]
            if len(inside) == len(indices):  # as always for the batch of a part: the read keeps its layout
                return source.read(indices - start)
            images[inside] = source.read(indices[inside] - start)
            start += len(source)
        return images
