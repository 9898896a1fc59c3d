"""Images that occur twice: pixel for pixel, or nearly so (another size, compression, brightness).

Near duplicates are looked for in two steps. A perceptual hash of 63 bits (pHash: Zauner, "Implementation and
benchmarking of perceptual image hash functions", 2010) of every image is compared with every other one, by
counting the bits that differ. On black backgrounds that alone takes any two pairs of trousers for one, so
what it leaves is compared by the 63 numbers behind the bits, each in units of its spread over the set: what
all images of the set share does not count. Mirrored, turned and cropped copies are not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cnnexp.data.reading import Labels
from cnnexp.results.inspection.spectrum import Spectrum

SIDE = 8  # frequencies of each axis that are hashed
MOST_BITS = 10  # of 63 that may differ
LEAST_SIMILARITY = 0.98  # cosine of the 63 numbers; of different photos it is hardly ever over 0.95
MOST_PAIRS = 100_000  # a film's frames are near duplicates all of them: enough is enough
FEWEST_FOR_SPREAD = 100  # images whose spread is worth dividing by

_ROWS, _COLUMNS = 256, 4096  # compared at a time: 8 MB, in the processor's reach
_PAIRS = 1 << 16  # looked at more closely at a time


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of images that are nearly the same, the likest first.

    Attributes:
        first, second: int64 (M,), rows; first < second.
        similarity: float32 (M,), 0.98 to 1.
        complete: False where the search ended at 100,000 pairs.
    """

    first: Labels
    second: Labels
    similarity: NDArray[np.float32]
    complete: bool

    def __len__(self) -> int:
        return len(self.first)


def exact_groups(hashes: NDArray[np.uint8], rows: Labels) -> list[Labels]:
    """Returns the rows of each image that occurs more than once, pixel for pixel; in order of rows.

    Args:
        hashes: uint8 (N, 16), of the pixels.
        rows: int64 (M,), of the N those that count.
    """
    keys = np.ascontiguousarray(hashes[rows, :8]).view("<u8")[:, 0]  # half of it tells 10⁶ images apart
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    groups = np.split(rows[order], np.cumsum(sizes)[:-1])
    return sorted((one for one in groups if len(one) > 1), key=lambda one: int(one[0]))


def near_pairs(low: Spectrum, rows: Labels) -> NearPairs:
    """Finds the pairs of images that are nearly the same.

    Args:
        low: float32 (N, R, S), low frequencies of grey images; R and S at least 1.
        rows: int64 (M,), ascending, of the N those that are compared; different ones, pixel for pixel.
    """
    numbers = low[rows, :SIDE, :SIDE].reshape(len(rows), -1)[
        :, 1:
    ]  # without the mean: brightness does not count
    hashes, closely = _hashes(numbers), _directions(numbers)
    found: list[tuple[Labels, Labels, NDArray[np.float32]]] = []
    total = 0
    for first, second in _alike(hashes):
        similarity = np.einsum("md,md->m", closely[first], closely[second])
        near = similarity >= LEAST_SIMILARITY
        found.append((first[near], second[near], similarity[near]))
        total += int(near.sum())
        if total >= MOST_PAIRS:
            break
    if not total:
        nothing = np.empty(0, np.int64)
        return NearPairs(nothing, nothing, np.empty(0, np.float32), complete=True)
    one, other, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(-similarity, kind="stable")
    return NearPairs(rows[one[order]], rows[other[order]], similarity[order], complete=total < MOST_PAIRS)


def num_groups(pairs: NearPairs, num_images: int) -> int:
    """Returns how many groups the pairs fall into: a pair and a pair that share an image are in one."""
    links = coo_array((np.ones(len(pairs)), (pairs.first, pairs.second)), shape=(num_images, num_images))
    groups, _ = connected_components(links, directed=False)
    return int(groups) - (num_images - len(np.union1d(pairs.first, pairs.second)))


def _hashes(numbers: Spectrum) -> NDArray[np.uint64]:
    """Returns 64 bits of each image: which of the numbers are above their median."""
    bits = np.zeros((len(numbers), 64), np.bool_)
    if numbers.size:
        bits[:, : numbers.shape[1]] = numbers > np.median(numbers, axis=1, keepdims=True)
    hashes: NDArray[np.uint64] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes


def _directions(numbers: Spectrum) -> Spectrum:
    """Returns vectors of length 1 (0 for an image of one tone): contrast does not count."""
    numbers = _unit(numbers)
    if len(numbers) >= FEWEST_FOR_SPREAD:
        numbers = _unit((numbers - numbers.mean(axis=0)) / np.maximum(numbers.std(axis=0), 1e-4))
    return numbers


def _unit(numbers: Spectrum) -> Spectrum:
    lengths = np.linalg.norm(numbers, axis=1, keepdims=True)
    scaled: Spectrum = numbers / np.maximum(lengths, np.float32(1e-6))
    return scaled


def _alike(hashes: NDArray[np.uint64]) -> Iterator[tuple[Labels, Labels]]:
    """Yields the pairs of positions, first < second, whose hashes differ in few bits."""
    for top in range(0, len(hashes), _ROWS):
        rows = hashes[top : top + _ROWS, None]
        for left in range(top, len(hashes), _COLUMNS):
            differing = np.bitwise_count(rows ^ hashes[None, left : left + _COLUMNS])
            found = np.flatnonzero(differing <= MOST_BITS)
            first, second = np.divmod(found, differing.shape[1])
            first, second = first + top, second + left
            ahead = first < second
            first, second = first[ahead], second[ahead]
            for start in range(0, len(first), _PAIRS):
                yield first[start : start + _PAIRS], second[start : start + _PAIRS]
