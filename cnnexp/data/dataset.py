"""What a loaded data set is: images by index, labels, three parts, and what to tell of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from cnnexp.image_spec import ImageSpec


class ImageSource(Protocol):
    """Images that can be read by index; decoded in memory, or decoded at every reading."""

    @property
    def labels(self) -> Tensor:
        """int64 (N,), on the CPU."""
        ...

    @property
    def resident(self) -> bool:
        """True: `read` is an index into memory; False: `read` decodes files."""
        ...

    def __len__(self) -> int: ...

    def read(self, indices: Tensor) -> Tensor:
        """Returns uint8 images (B, C, H, W) for int64 indices (B,)."""
        ...


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Decoded images: uint8 (N, C, H, W), possibly mapped from the cache's file; labels int64 (N,).

    `images` is best a view of (N, H, W, C) memory: batches are then channels-last without a conversion.
    """

    images: Tensor
    labels: Tensor
    resident: bool = True

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Tensor) -> Tensor:
        """Returns uint8 images (B, C, H, W) for int64 indices (B,) on the images' own device."""
        if self.images.is_contiguous():
            return self.images.index_select(0, indices)
        # index_select gives contiguous memory; whole rows of (N, H, W, C) are copied 10 times faster
        return self.images.permute(0, 2, 3, 1).index_select(0, indices).permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a data set (train, val or test): the indices of a source that belong to it.

    Parts of one source share its memory: a split copies no image.
    """

    source: ImageSource
    indices: Tensor  # int64 (n,), on the CPU

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> Tensor:
        """int64 (n,)."""
        return self.source.labels[self.indices]

    def read(self, positions: Tensor) -> Tensor:
        """Returns uint8 images (B, C, H, W) at positions (B,) within this part."""
        return self.source.read(self.indices[positions])


@dataclass(frozen=True, slots=True)
class BadImage:
    """An image that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImageDataset:
    """A data set ready for an experiment.

    Attributes:
        name: as the user gave it (`digits`, `folder:photos`).
        location: where the images came from: a folder, a file, or a package.
        class_names: by label.
        spec: shape of every image, and the number of classes.
        train: the only part whose statistics are used.
        val: what best epoch, patience and pruning look at.
        test: evaluated once, at the end.
        mean: per channel, of pixels in [0, 1]: what normalisation subtracts.
        std: per channel: what normalisation divides by.
        digest: `sha256:` and 64 hex digits over images, labels and class names of all parts.
        cut: of "val" and "test" those that the set does not have itself: they were cut by fractions.
        bad_images: left out because they cannot be read.
        notes: sentences a user should read (duplicates across parts, say).
    """

    name: str
    location: str
    class_names: tuple[str, ...]
    spec: ImageSpec
    train: Part
    val: Part
    test: Part
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    cut: tuple[str, ...] = ()
    bad_images: tuple[BadImage, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def class_counts(self) -> Tensor:
        """Training images per class, int64 (num_classes,)."""
        return torch.bincount(self.train.labels, minlength=self.spec.num_classes)
