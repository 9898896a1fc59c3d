"""Images that are arrays already: checked, then made grey or coloured and fitted to one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.data.reading import Block, Frame, Labels, Pixels, Reading
from cnnexp.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from cnnexp.data.array_source import ArraySource, JoinedSource

BLOCK_BYTES = 16 << 20  # a block stays in the processor's reach and far below the size of a set
GREY, COLOR = 1, 3


@dataclass(frozen=True)
class ImageArrays:
    """A data set of one's own, as arrays or tensors; what a `register_dataset` function returns.

    Args:
        train_images: uint8 (N, H, W), (N, H, W, C) or (N, C, H, W), C being 1 or 3.
        train_labels: whole numbers (N,), each an index of `class_names`.
        class_names: by label; at least two.
        test_images: of the same shape, or None: a test part is then cut from the training images.
        test_labels: likewise.
        val_images: of the same shape, or None: a validation part is then cut from the training images.
        val_labels: likewise.

    Raises:
        DataError: a wrong dtype, shape or length, or a label out of range.
    """

    train_images: Pixels | Tensor
    train_labels: NDArray[Any] | Tensor | Sequence[int]
    class_names: Sequence[str]
    test_images: Pixels | Tensor | None = None
    test_labels: NDArray[Any] | Tensor | Sequence[int] | None = None
    val_images: Pixels | Tensor | None = None
    val_labels: NDArray[Any] | Tensor | Sequence[int] | None = None

    def __post_init__(self) -> None:
        if len(self.class_names) < 2:  # noqa: PLR2004 - one class leaves nothing to learn
            raise DataError(f"class_names needs at least two names, not {list(self.class_names)}.")
        shapes = {name: images.shape[1:] for name, images, _ in self.parts()}
        if len(set(shapes.values())) > 1:
            raise DataError(f"images of all parts need one shape, not {shapes}.")

    def parts(self) -> list[tuple[str, Pixels, Labels]]:
        """Returns (name, images (N, H, W, C), labels (N,)) of train, val and test where they exist."""
        given = (
            ("train", self.train_images, self.train_labels),
            ("val", self.val_images, self.val_labels),
            ("test", self.test_images, self.test_labels),
        )
        found = []
        for name, images, labels in given:
            if (images is None) != (labels is None):
                raise DataError(f"{name}_images and {name}_labels must be given together.")
            if images is not None and labels is not None:
                pixels = _checked_images(name, images)
                found.append(
                    (name, pixels, _checked_labels(name, labels, len(pixels), len(self.class_names)))
                )
        return found

    def decodable(self, reading: Reading) -> ArrayImages:
        """Returns the set ready to be decoded."""
        parts = {name: (images, labels) for name, images, labels in self.parts()}
        sizes = [len(parts[name][1]) if name in parts else 0 for name in ("train", "val", "test")]
        height, width, channels = parts["train"][0].shape[1:]
        return ArrayImages(
            reading.frame((height, width), channels),
            labels=np.concatenate([labels for _, labels in parts.values()]),
            class_names=tuple(str(name) for name in self.class_names),
            part_sizes=(sizes[0], sizes[1], sizes[2]),
            chunks=lambda: (images for images, _ in parts.values()),
        )


@dataclass(frozen=True)
class ArrayImages:
    """A `Decodable` over arrays: `chunks` yields uint8 (n, H, W, C) in order of rows, as the set has them."""

    frame: Frame
    labels: Labels
    class_names: tuple[str, ...]
    part_sizes: tuple[int, int, int]
    chunks: Callable[[], Iterator[Pixels]]

    def blocks(self) -> Iterator[Block]:
        """Fits every image once, a few megabytes at a time."""
        step, start = max(1, BLOCK_BYTES // self.frame.num_bytes), 0
        for chunk in self.chunks():
            for first in range(0, len(chunk), step):
                images = fit_arrays(chunk[first : first + step], self.frame)
                yield Block(start, images)
                start += len(images)

    def stream(self) -> ArraySource:
        """Keeps the images in their own, smaller shape and fits them at every reading."""
        import torch

        from cnnexp.data.array_source import ArraySource

        own = np.concatenate(list(self.chunks()))
        return ArraySource(torch.from_numpy(own), torch.from_numpy(self.labels), self.frame)

    def held(self) -> JoinedSource | None:
        """Takes the arrays as they are where they have the frame's shape: a copy would double the memory."""
        import torch

        from cnnexp.data.array_source import JoinedSource
        from cnnexp.data.dataset import MemorySource

        wanted, sources, start = (self.frame.height, self.frame.width, self.frame.channels), [], 0
        for chunk in self.chunks():
            if chunk.shape[1:] != wanted:
                return None
            # torch takes neither a read-only array nor one that runs backwards
            own = chunk if chunk.flags.writeable and min(chunk.strides) >= 0 else chunk.copy()
            labels = torch.from_numpy(self.labels[start : start + len(own)])
            sources.append(MemorySource(torch.from_numpy(own).permute(0, 3, 1, 2), labels))
            start += len(own)
        return JoinedSource(tuple(sources))


def fit_arrays(images: Pixels, frame: Frame) -> Pixels:
    """Returns uint8 (n, H, W, C) in the frame's shape; the very array where nothing is to be done."""
    if images.shape[3] == COLOR and frame.channels == GREY:
        weights = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601 luma, as photo decoders use
        images = np.rint(images @ weights).astype(np.uint8)[..., None]
    if images.shape[1:3] != (frame.height, frame.width):
        images = _resized(images, frame)
    if images.shape[3] == GREY and frame.channels == COLOR:
        images = np.repeat(images, COLOR, axis=3)
    return np.ascontiguousarray(images)


def _resized(images: Pixels, frame: Frame) -> Pixels:
    import torch
    from torch.nn import functional as F

    height, width = images.shape[1:3]
    goal = (frame.height, frame.width)
    if frame.fit == "crop":  # the largest centred window of the goal's proportions
        scale = min(height / goal[0], width / goal[1])
        window = (max(1, round(goal[0] * scale)), max(1, round(goal[1] * scale)))
        top, left = (height - window[0]) // 2, (width - window[1]) // 2
        images = images[:, top : top + window[0], left : left + window[1]]
    inner = goal
    if frame.fit == "pad":
        scale = min(goal[0] / height, goal[1] / width)
        inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    tensor = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
    smooth = F.interpolate(tensor, inner, mode="bilinear", antialias=True, align_corners=False)
    pixels: Pixels = smooth.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    if inner == goal:
        return pixels
    padded = np.zeros((len(pixels), *goal, pixels.shape[3]), np.uint8)
    top, left = (goal[0] - inner[0]) // 2, (goal[1] - inner[1]) // 2
    padded[:, top : top + inner[0], left : left + inner[1]] = pixels
    return padded


def _checked_images(name: str, images: Pixels | Tensor) -> Pixels:
    array = np.asarray(images)
    if array.dtype != np.uint8:
        raise DataError(f"{name}_images must be uint8 (0 to 255), not {array.dtype}.")
    if array.ndim == 3:  # noqa: PLR2004 - (N, H, W)
        array = array[..., None]
    channels = (GREY, COLOR)
    if array.ndim != 4 or 0 in array.shape or not {array.shape[1], array.shape[3]} & set(channels):  # noqa: PLR2004
        raise DataError(
            f"{name}_images must have shape (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels, "
            f"not {tuple(np.asarray(images).shape)}."
        )
    return array if array.shape[3] in channels else array.transpose(0, 2, 3, 1)


def _checked_labels(
    name: str, labels: NDArray[Any] | Tensor | Sequence[int], num_images: int, num_classes: int
) -> Labels:
    array = np.asarray(labels)
    if not np.issubdtype(array.dtype, np.integer) or array.shape != (num_images,):
        raise DataError(
            f"{name}_labels must be {num_images} whole numbers, one for each image, "
            f"not {array.dtype} of shape {array.shape}."
        )
    wrong = (array < 0) | (array >= num_classes)
    if wrong.any():
        raise DataError(
            f"{name}_labels must lie in 0..{num_classes - 1} (there are {num_classes} class names), "
            f"but label {int(np.argmax(wrong))} is {array[wrong][0]}."
        )
    return array.astype(np.int64)
