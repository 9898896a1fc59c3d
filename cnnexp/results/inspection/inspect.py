"""A data set looked at before anything is learned from it: counts, files, duplicates, doubtful labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from cnnexp.data.dataset import BadImage
from cnnexp.data.decode import Decoded
from cnnexp.data.load import decode_dataset
from cnnexp.data.reading import Found, Labels, Pixels
from cnnexp.progress import Progress, silent
from cnnexp.results.inspection.duplicates import NearPairs, exact_groups, near_pairs
from cnnexp.results.inspection.outlines import NUM_OUTLINES, Outlines, outlines
from cnnexp.results.inspection.photo_files import PhotoFiles, photo_files
from cnnexp.results.inspection.spectrum import KEPT, Spectrum, grey, spectrum
from cnnexp.results.inspection.suspects import Suspects, suspected_labels
from cnnexp.results.inspection.text import sentences
from cnnexp.settings import DataSettings

PARTS = ("train", "val", "test")
TASK = "looking at images"
COMPARING = "comparing images"
GREY = 128  # where there is nothing to take the mean of
_AT_A_TIME = 512


@dataclass(frozen=True)
class Inspection:
    """What was found in a data set; rows are of the whole set, in the order train, val, test.

    Attributes:
        name: as the user gave it.
        found: where it is, and the names of its images.
        decoded: images, labels, parts, unreadable images.
        good: int64 (M,), rows that could be read.
        means: uint8 (1 + K, C, H, W): of all images, then of each class; grey where a class has none.
        files: what the files are; None where images are not files of their own.
        exact: rows of each image that occurs more than once.
        near: pairs of images that are nearly the same; of exact duplicates one stands for all.
        judges_labels: it was asked for.
        suspects: labels that cross-validation contradicts; None where that was not asked for or cannot be.
    """

    name: str
    found: Found
    decoded: Decoded
    good: Labels
    means: Pixels
    files: PhotoFiles | None
    exact: list[Labels]
    near: NearPairs
    judges_labels: bool
    suspects: Suspects | None

    @property
    def class_names(self) -> tuple[str, ...]:
        """By label."""
        return self.decoded.class_names

    @property
    def labels(self) -> Labels:
        """int64 (N,)."""
        return self.decoded.labels

    @cached_property
    def part_names(self) -> tuple[str, ...]:
        """Parts that the set has itself: only `all` where `train` would cut it."""
        names = tuple(name for name, size in zip(PARTS, self.decoded.part_sizes, strict=True) if size)
        return names if len(names) > 1 else ("all",)

    @cached_property
    def part_of(self) -> Labels:
        """int64 (N,): of each row the index in `part_names`."""
        sizes = [size for size in self.decoded.part_sizes if size]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Readable images, int64 (parts, classes)."""
        found = np.zeros((len(self.part_names), len(self.class_names)), np.int64)
        np.add.at(found, (self.part_of[self.good], self.labels[self.good]), 1)
        return found

    @property
    def bad(self) -> tuple[BadImage, ...]:
        """Images that cannot be read."""
        return tuple(image for _, image in self.decoded.bad)

    @property
    def sentences(self) -> dict[str, str]:
        """A sentence or two for each thing that was looked at, by its name."""
        return sentences(self)

    def images(self, rows: Labels) -> Pixels:
        """Returns uint8 (n, C, H, W)."""
        pixels: Pixels = self.decoded.source.read(torch.from_numpy(np.asarray(rows, np.int64))).numpy()
        return pixels

    def name_of(self, row: int) -> str:
        """Returns the file of a row; of other images part and number within it."""
        if self.found.names:
            return self.found.names[row]
        part = int(self.part_of[row])
        return f"{self.part_names[part]}:{row - int(np.searchsorted(self.part_of, part))}"

    def part_name(self, row: int) -> str:
        """Returns the part of a row."""
        return self.part_names[int(self.part_of[row])]

    def class_name(self, row: int) -> str:
        """Returns the class of a row."""
        return self.class_names[int(self.labels[row])]


def inspect_dataset(
    settings: DataSettings, *, judge_labels: bool = True, progress: Progress = silent
) -> Inspection:
    """Looks at every image of a data set, of all its parts.

    Args:
        settings: which set, and how it is read; how it is parted does not matter.
        judge_labels: also cross-validate a small classifier, the slow part.
        progress: called while anything slow goes on.

    Raises:
        UnknownNameError: no such data set.
        DataError: it is missing, or has no images.
    """
    found, decoded = decode_dataset(settings, progress=progress, fewest_classes=1, refuse_bad=False)
    good = np.setdiff1d(np.arange(len(decoded.labels)), [row for row, _ in decoded.bad])
    coefficients, edges, means = _look(decoded, good, progress)
    exact = exact_groups(decoded.survey.hashes, good)
    twins = np.concatenate([group[1:] for group in exact]) if exact else np.empty(0, np.int64)
    progress(COMPARING, 0, 1)
    near = near_pairs(grey(coefficients), np.setdiff1d(good, twins))
    progress(COMPARING, 1, 1)
    suspects = None
    if judge_labels:
        suspects = suspected_labels((coefficients, edges), decoded.labels, good, progress=progress)
    return Inspection(
        name=settings.dataset,
        found=found,
        decoded=decoded,
        good=good,
        means=means,
        files=photo_files(found.files, progress=progress) if found.names else None,
        exact=exact,
        near=near,
        judges_labels=judge_labels,
        suspects=suspects,
    )


def _look(decoded: Decoded, good: Labels, progress: Progress) -> tuple[Spectrum, Outlines, Pixels]:
    """Reads every image once.

    Returns:
        Low frequencies and outlines (of bad images zeros), and mean images uint8 (1 + K, C, H, W).
    """
    frame, num_images = decoded.frame, len(decoded.labels)
    sums = np.zeros((len(decoded.class_names), frame.channels, frame.height, frame.width))
    sides = min(KEPT, frame.height), min(KEPT, frame.width)
    coefficients = np.zeros((num_images, frame.channels, *sides), np.float32)
    edges = np.zeros((num_images, NUM_OUTLINES), np.float32)
    for rows in _blocks(good):
        images = decoded.source.read(torch.from_numpy(rows))
        pixels = images.numpy()
        coefficients[rows] = spectrum(pixels.transpose(0, 2, 3, 1))
        edges[rows] = outlines(images)
        for label in np.unique(decoded.labels[rows]):
            sums[label] += pixels[decoded.labels[rows] == label].sum(axis=0, dtype=np.float64)
        progress(TASK, int(rows[-1]) + 1, num_images)
    counts = np.bincount(decoded.labels[good], minlength=len(decoded.class_names))
    return coefficients, edges, _means(sums, counts)


def _means(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> Pixels:
    totals = np.concatenate([sums.sum(axis=0, keepdims=True), sums])
    sizes = np.concatenate([[counts.sum()], counts])[:, None, None, None]
    means: Pixels = np.rint(np.where(sizes > 0, totals / np.maximum(sizes, 1), GREY)).astype(np.uint8)
    return means


def _blocks(rows: Labels) -> list[Labels]:
    return [rows[start : start + _AT_A_TIME] for start in range(0, len(rows), _AT_A_TIME)]
