"""Loads a data set: finds it, decodes it or takes it from the cache, parts it, says what is to be said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import psutil
import torch

from cnnexp.data.dataset import BadImage, ImageDataset, Part
from cnnexp.data.decode import Decoded, decode
from cnnexp.data.reading import ClassCheck, Found, Labels, Reading, any_classes
from cnnexp.data.registry import DATASETS, DatasetEntry, Lookup
from cnnexp.data.split import SplitRule, check_classes, split
from cnnexp.data.survey import digest, duplicates_note, mean_and_std
from cnnexp.errors import DataError
from cnnexp.image_spec import ImageSpec
from cnnexp.progress import Progress, silent
from cnnexp.settings.groups import DataSettings

DEFAULT_DATA_DIR = "data"
LISTED_BAD_IMAGES = 10
# Of ImageNet's training images, red, green, blue; what torchvision's weights were trained with.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_dataset(settings: DataSettings, *, progress: Progress = silent) -> ImageDataset:
    """Loads the data set that the settings name.

    Args:
        settings: which set, how it is read, and how it is parted.
        progress: called while files are downloaded and images decoded.

    Returns:
        The set in three parts; sources that fit the memory budget are resident.

    Raises:
        UnknownNameError: no such data set.
        DataError: it is missing, broken, or a class is missing from a part.
    """
    found, decoded = decode_dataset(settings, progress=progress)
    rows = _split(decoded, settings)
    frame, names = decoded.frame, decoded.class_names
    mean, std = _normalization(decoded, rows["train"], settings)
    spec = ImageSpec(frame.channels, frame.height, frame.width, len(names))
    parts = {name: Part(decoded.source, torch.from_numpy(indices)) for name, indices in rows.items()}
    return ImageDataset(
        name=settings.dataset,
        location=found.location,
        class_names=names,
        spec=spec,
        **parts,
        mean=mean,
        std=std,
        digest=digest(decoded.survey, rows, decoded.labels, names, spec.shape),
        cut=tuple(
            part for part, size in zip(("val", "test"), decoded.part_sizes[1:], strict=True) if not size
        ),
        bad_images=tuple(image for _, image in decoded.bad),
        notes=_notes(decoded, rows, found, _budget(settings)),
    )


def decode_dataset(
    settings: DataSettings,
    *,
    progress: Progress = silent,
    fewest_classes: int = 2,
    refuse_bad: bool = True,
    check_classes: ClassCheck = any_classes,
) -> tuple[Found, Decoded]:
    """Finds a data set and decodes it whole, before anything is parted; or takes it from the cache.

    Args:
        settings: which set, and how it is read.
        progress: called while files are downloaded and images decoded.
        fewest_classes: a photo folder with fewer is refused.
        refuse_bad: raise where images cannot be read and the settings do not say to skip them.
        check_classes: given the class names as soon as they are known, before the first image is decoded.

    Raises:
        UnknownNameError: no such data set.
        DataError: it is missing or broken.
    """
    entry, argument = entry_of(settings.dataset)
    found = _find(entry, argument, settings, progress, fewest_classes=fewest_classes)
    reading = _reading(settings, entry) if found.cacheable else _asked(settings)
    decoded = decode(
        settings.dataset,
        found,
        reading,
        budget_bytes=_budget(settings),
        use_cache=settings.cache,
        check_classes=check_classes,
        progress=progress,
    )
    if refuse_bad:
        _check_bad(decoded, settings)
    return found, decoded


def find_dataset(settings: DataSettings, *, progress: Progress = silent) -> Found:
    """Finds a data set's files without decoding any; downloads them where they are nowhere.

    Raises:
        UnknownNameError: no such data set.
        DataError: it is nowhere to be had.
    """
    return _find(*entry_of(settings.dataset), settings, progress)


def image_spec(settings: DataSettings) -> ImageSpec:
    """Returns the shape of a data set's images and its classes; no image is decoded.

    Of the package's own sets they are known; any other one must be there.

    Raises:
        UnknownNameError: no such data set.
        DataError: it is nowhere to be had.
    """
    entry, argument = entry_of(settings.dataset)
    if entry.image_size is not None and entry.channels is not None and entry.num_classes is not None:
        frame, num_classes = _asked(settings).frame(entry.image_size, entry.channels), entry.num_classes
    else:
        decodable = _find(entry, argument, settings, silent).open(_asked(settings))
        frame, num_classes = decodable.frame, len(decodable.class_names)
    return ImageSpec(frame.channels, frame.height, frame.width, num_classes)


def class_names_of(settings: DataSettings) -> tuple[str, ...]:
    """Returns the classes of a data set, in the order of their labels; no image is decoded.

    Raises:
        UnknownNameError: no such data set.
        DataError: it is nowhere to be had.
    """
    return tuple(_find(*entry_of(settings.dataset), settings, silent).open(_asked(settings)).class_names)


def entry_of(dataset: str) -> tuple[DatasetEntry, str]:
    """Returns the entry of a name, and what follows the colon of a name that takes a path.

    Raises:
        UnknownNameError: no such data set.
    """
    name, _, argument = dataset.partition(":")
    if name in DATASETS and DATASETS.get(name).takes_path:
        return DATASETS.get(name), argument
    return DATASETS.get(dataset), ""


def _find(
    entry: DatasetEntry, argument: str, settings: DataSettings, progress: Progress, *, fewest_classes: int = 2
) -> Found:
    data_dir = Path(settings.data_dir or DEFAULT_DATA_DIR).expanduser()
    return entry.find(Lookup(data_dir, argument, progress, fewest_classes))


def _budget(settings: DataSettings) -> int:
    return int(settings.memory_budget * psutil.virtual_memory().total)


def _asked(settings: DataSettings) -> Reading:
    return Reading(settings.image_size, settings.fit, settings.color)


def _reading(settings: DataSettings, entry: DatasetEntry) -> Reading:
    """Returns how images are read; what the set has anyway is left out: the cache entry is the same."""
    asked, own_color = _asked(settings), {1: "grey", 3: "rgb"}.get(entry.channels or 0)
    return replace(
        asked,
        image_size=None if asked.image_size == entry.image_size else asked.image_size,
        color="auto" if asked.color == own_color else asked.color,
    )


def _check_bad(decoded: Decoded, settings: DataSettings) -> None:
    """Raises DataError, listing the images that cannot be read, unless they are to be skipped."""
    if not decoded.bad or settings.skip_bad_images:
        return
    count = len(decoded.bad)
    listed = "; ".join(f"{image.path} ({image.reason})" for _, image in decoded.bad[:LISTED_BAD_IMAGES])
    more = f"; and {count - LISTED_BAD_IMAGES} more" if count > LISTED_BAD_IMAGES else ""
    raise DataError(
        f"{count} of {len(decoded.labels)} images of {settings.dataset} cannot be read: {listed}{more}. "
        "Mend or remove them, or give --skip-bad-images."
    )


def _split(decoded: Decoded, settings: DataSettings) -> dict[str, Labels]:
    good = np.ones(len(decoded.labels), np.bool_)
    good[[row for row, _ in decoded.bad]] = False
    ends = np.cumsum((0, *decoded.part_sizes))
    given = {
        name: np.arange(start, end)[good[start:end]]
        for name, start, end in zip(("train", "val", "test"), ends, ends[1:], strict=False)
        if end > start
    }
    rule = SplitRule(
        settings.split, settings.val_fraction, settings.test_fraction, settings.fraction, settings.split_seed
    )
    rows = split(decoded.labels, given, rule)
    check_classes(decoded.labels, rows, decoded.class_names, name=settings.dataset, given=given)
    return rows


def _normalization(
    decoded: Decoded, train: Labels, settings: DataSettings
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    frame = decoded.frame
    if settings.normalize in ("dataset", "auto"):  # what weights need is known where models are
        return mean_and_std(decoded.survey, train, frame.height * frame.width)
    if settings.normalize == "imagenet" and frame.channels == len(IMAGENET_MEAN):
        return IMAGENET_MEAN, IMAGENET_STD
    fixed = {"half": (0.5, 0.5), "none": (0.0, 1.0), "imagenet": (fmean(IMAGENET_MEAN), fmean(IMAGENET_STD))}
    mean, std = fixed[settings.normalize]
    return (mean,) * frame.channels, (std,) * frame.channels


def _notes(decoded: Decoded, rows: dict[str, Labels], found: Found, budget: int) -> tuple[str, ...]:
    notes = list(decoded.notes)
    count, frame = len(decoded.labels), decoded.frame
    if not decoded.source.resident:
        notes.append(
            f"The decoded images need {_size(count * frame.num_bytes)}, more than the memory budget of "
            f"{_size(budget)}: they are decoded anew at every reading (--memory-budget raises it)."
        )
    if decoded.bad:
        first: BadImage = decoded.bad[0][1]
        notes.append(
            f"{len(decoded.bad)} of {count} images cannot be read and are left out, "
            f"the first being {first.path} ({first.reason})."
        )
    twins = duplicates_note(decoded.survey, rows, found.row_name)
    return (*notes, twins) if twins else tuple(notes)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"  # noqa: PLR2004
