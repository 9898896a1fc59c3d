"""One look at every image: a hash and sums of pixels; all that is told of any split follows without another.

Cheap because it is taken while the pixels are at hand: 70,000 images of 28×28 cost some 0.3 s, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.data.reading import Block, Labels, Pixels

HASH_BYTES = 16
STEP_BYTES = 1 << 20  # summed at a time: as float64 it is eight times as much
LEAST_STD = 1 / 255  # a constant channel is left alone rather than divided by zero


@dataclass(frozen=True, slots=True)
class Survey:
    """Of N images of C channels.

    Attributes:
        hashes: uint8 (N, 16), BLAKE2b of the pixels.
        sums: float64 (N, 2, C): the sum and the sum of squares of each channel's pixels, 0 to 255.
    """

    hashes: NDArray[np.uint8]
    sums: NDArray[np.float64]

    @classmethod
    def empty(cls, num_images: int, channels: int) -> Survey:
        """Returns a survey to be filled by `add`."""
        return cls(np.zeros((num_images, HASH_BYTES), np.uint8), np.zeros((num_images, 2, channels)))

    def add(self, block: Block) -> None:
        """Looks at some images."""
        rows = slice(block.start, block.start + len(block.images))
        digests = (hashlib.blake2b(image, digest_size=HASH_BYTES).digest() for image in block.images)
        self.hashes[rows] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, HASH_BYTES)
        step = max(1, STEP_BYTES // block.images[0].size)
        for first in range(0, len(block.images), step):
            self._add_sums(block.start + first, block.images[first : first + step])

    def _add_sums(self, start: int, images: Pixels) -> None:
        pixels = images.reshape(len(images), -1, images.shape[3]).astype(np.float64)
        rows = slice(start, start + len(images))
        self.sums[rows, 0] = pixels.sum(axis=1)
        self.sums[rows, 1] = np.einsum("npc,npc->nc", pixels, pixels)


def mean_and_std(
    survey: Survey, rows: Labels, pixels_per_image: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation per channel, of pixels in [0, 1], over some images."""
    count = len(rows) * pixels_per_image
    total, squares = survey.sums[rows].sum(axis=0) / count
    mean = total / 255
    variance = np.maximum(squares / 255**2 - mean**2, 0)
    return tuple(mean.tolist()), tuple(np.maximum(np.sqrt(variance), LEAST_STD).tolist())


def digest(
    survey: Survey,
    parts: Mapping[str, Labels],
    labels: Labels,
    class_names: tuple[str, ...],
    shape: tuple[int, ...],
) -> str:
    """Returns `sha256:` and 64 hex digits over the images, labels and class names of all parts."""
    sha = hashlib.sha256(json.dumps([class_names, shape]).encode())
    for name, rows in parts.items():
        sha.update(f"{name} {len(rows)}".encode())
        sha.update(survey.hashes[rows].tobytes())
        sha.update(labels[rows].astype("<i8").tobytes())
    return f"sha256:{sha.hexdigest()}"


def duplicates_note(
    survey: Survey, parts: Mapping[str, Labels], row_name: Callable[[int], str]
) -> str | None:
    """Returns a sentence on images that stand in more than one part, pixel for pixel, or None."""
    keys = {name: survey.hashes[rows].view("<u8")[:, 0] for name, rows in parts.items()}
    counts, example = [], ""
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        same = np.flatnonzero(np.isin(keys[other], keys[one]))
        if not same.size:
            continue
        counts.append(f"{same.size} of the {len(parts[other]):,} {other} images are also in {one}")
        if not example:
            twin = np.flatnonzero(keys[one] == keys[other][same[0]])[0]
            rows = parts[other][same[0]], parts[one][twin]
            example = f"{row_name(int(rows[0]))} ({other}) = {row_name(int(rows[1]))} ({one})"
    return f"Exact duplicates across parts: {'; '.join(counts)}; first: {example}." if counts else None
