"""The digits embedded in scikit-learn: 1,797 real images of 8×8 pixels (UCI optical recognition)."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from cnnexp.data.arrays import ImageArrays
from cnnexp.data.reading import Decodable, Found, Reading
from cnnexp.data.registry import DATASETS, DatasetEntry, Lookup

DEFAULT_SIZE = (28, 28)  # LeNet's input; 8x8 leaves nothing after its second convolution


def find_digits(lookup: Lookup) -> Found:  # noqa: ARG001 - it lies in a package, wherever data lie
    """Returns the embedded digits; they are enlarged from 8×8 to 28×28 unless --image-size says otherwise."""
    return Found("scikit-learn", _decodable, f"digits of scikit-learn {version('scikit-learn')}")


def _decodable(reading: Reading) -> Decodable:
    from sklearn.datasets import load_digits  # takes seconds to import: only where the cache has no copy

    found = load_digits()
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)  # values are 0 to 16
    size = reading.image_size or DEFAULT_SIZE
    return ImageArrays(images, found.target, [str(digit) for digit in range(10)]).decodable(
        Reading(size, reading.fit, reading.color)
    )


DATASETS.add(
    "digits",
    DatasetEntry(
        "digits",
        find_digits,
        "Handwritten digits embedded in scikit-learn (8×8, enlarged).",
        DEFAULT_SIZE,
        channels=1,
        num_classes=10,
        num_images="1,797",
        locate=lambda _: "in scikit-learn",
    ),
)
