"""A data set as it lies: the parts that it has itself, or the whole; nothing is cut, no class is missed.

What a finished model is evaluated on, where it was never trained on the set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from cnnexp.data.dataset import BadImage, Part
from cnnexp.data.load import decode_dataset
from cnnexp.data.reading import ClassCheck, any_classes
from cnnexp.data.survey import digest
from cnnexp.errors import DataError
from cnnexp.progress import Progress, silent
from cnnexp.settings.groups import DataSettings

WHOLE = "all"


@dataclass(frozen=True, slots=True)
class GivenSet:
    """A data set as it lies.

    Attributes:
        name: as the user gave it.
        location: where the images came from.
        class_names: by label.
        parts: its own of train, val and test, and `all`; images that cannot be read are in none.
        digest: `sha256:` and 64 hex digits over images, labels and class names of its own parts.
        bad_images: left out because they cannot be read.
    """

    name: str
    location: str
    class_names: tuple[str, ...]
    parts: dict[str, Part]
    digest: str
    bad_images: tuple[BadImage, ...] = ()

    def part(self, name: str) -> Part:
        """Returns a part by its name.

        Raises:
            DataError: the set does not have it.
        """
        if name not in self.parts:
            own = ", ".join(one for one in self.parts if one != WHOLE)
            raise DataError(f"{self.name} has no {name} part of its own; it has {own}, and `all` of them.")
        return self.parts[name]


def load_given(
    settings: DataSettings, *, check_classes: ClassCheck = any_classes, progress: Progress = silent
) -> GivenSet:
    """Loads the data set that the settings name, in its own parts.

    Args:
        settings: which set, and how it is read; what they say of cutting is left aside.
        check_classes: given the class names before the first image is decoded; raises where they will not do.
        progress: called while files are downloaded and images decoded.

    Raises:
        UnknownNameError: no such data set.
        DataError: it is missing or broken.
    """
    found, decoded = decode_dataset(settings, check_classes=check_classes, progress=progress)
    good = np.ones(len(decoded.labels), np.bool_)
    good[[row for row, _ in decoded.bad]] = False
    ends = np.cumsum((0, *decoded.part_sizes))
    rows = {
        name: np.arange(start, end)[good[start:end]]
        for name, start, end in zip(("train", "val", "test"), ends, ends[1:], strict=False)
        if end > start
    }
    frame, names = decoded.frame, decoded.class_names
    shape = (frame.channels, frame.height, frame.width)
    whole = {**rows, WHOLE: np.flatnonzero(good)}
    return GivenSet(
        name=settings.dataset,
        location=found.location,
        class_names=names,
        parts={name: Part(decoded.source, torch.from_numpy(one)) for name, one in whole.items()},
        digest=digest(decoded.survey, rows, decoded.labels, names, shape),
        bad_images=tuple(image for _, image in decoded.bad),
    )
