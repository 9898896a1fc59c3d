"""Which images a finished model is shown: a part of its own data set, or of another one in its classes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from cnnexp.data import load_dataset
from cnnexp.data.dataset import BadImage, ImageDataset, ImageSource, Part
from cnnexp.data.given import WHOLE, GivenSet, load_given
from cnnexp.errors import DataError, did_you_mean
from cnnexp.experiment.entry import with_absolute_paths
from cnnexp.progress import Progress
from cnnexp.results.rebuild import Rebuilt
from cnnexp.results.recorded import Recorded
from cnnexp.settings import DataSettings

PartName = Literal["train", "val", "test", "all"]
_LISTED = 10  # names that a sentence can carry


@dataclass(frozen=True, slots=True)
class Subject:
    """Images with labels, read as the model's own were and numbered by its classes.

    Attributes:
        dataset: as people call it: of a folder its name, not its whole path.
        location: where the images came from.
        digest: of the whole set.
        part_name: of the part.
        part: the images; labels are those of the model.
        is_own: the very data set that the model was trained and chosen on.
        notes: what must be said with every figure.
    """

    dataset: str
    location: str
    digest: str
    part_name: PartName
    part: Part
    is_own: bool
    notes: tuple[str, ...] = ()

    @property
    def is_tested(self) -> bool:
        """True where images of the run's own test part are among them."""
        return self.is_own and self.part_name in ("test", WHOLE)


@dataclass(frozen=True, slots=True)
class Relabelled:
    """An `ImageSource` whose labels are numbered in another way."""

    source: ImageSource
    labels: Tensor

    @property
    def resident(self) -> bool:
        """As of the source."""
        return self.source.resident

    def __len__(self) -> int:
        return len(self.source)

    def read(self, indices: Tensor) -> Tensor:
        """Returns uint8 images (B, C, H, W) for int64 indices (B,)."""
        return self.source.read(indices)


def load_own(recorded: Recorded, data_dir: str | None, progress: Progress) -> ImageDataset:
    """Loads the data set that a run was trained on, in the same parts.

    Raises:
        DataError: it is gone, or its images are not the same any more.
    """
    dataset = load_dataset(_own_settings(recorded, data_dir), progress=progress)
    if dataset.digest != recorded.data.digest:
        raise DataError(
            f"the data of {dataset.name} have changed since run {recorded.label} (digest "
            f"{recorded.data.digest} then, {dataset.digest} now): its parts are not the same any more. Bring "
            "the old data back; new images in a folder of their own are another data set, folder:PATH."
        )
    return dataset


def find_subject(
    recorded: Recorded,
    rebuilt: Rebuilt,
    *,
    dataset: str | None,
    part: PartName | None,
    data_dir: str | None,
    progress: Progress,
) -> Subject:
    """Loads the images that are asked for.

    Args:
        recorded: the run.
        rebuilt: its network: every image is brought to its shape and colour.
        dataset: a registered set or folder:PATH; None for the run's own.
        part: None: the test part where the set has one of its own, else all of it.
        data_dir: folder where data sets lie.
        progress: called while images are decoded.

    Raises:
        DataError: no such part, no images, or classes that the model does not know.
    """
    own = _own_settings(recorded, data_dir)
    dataset = dataset or own.dataset
    asked = _absolute(recorded, own, dataset)
    if asked.dataset == own.dataset:
        return _of_own(load_own(recorded, data_dir, progress), part or "test")
    frame = rebuilt.frame
    read_alike = asked.model_copy(
        update={
            "image_size": (frame.height, frame.width),
            "color": "grey" if frame.channels == 1 else "rgb",
            "skip_bad_images": True,  # they are named and counted
        }
    )
    given = load_given(
        read_alike, check_classes=lambda names: _match(dataset, names, rebuilt), progress=progress
    )
    if given.class_names == rebuilt.class_names:
        with suppress(DataError):  # it cannot be parted in the same way: it is another set
            again = load_dataset(asked, progress=progress)
            if again.digest == recorded.data.digest:  # the same images, at another place
                return _of_own(again, part or "test")
    return _of_other(given, rebuilt, part or ("test" if "test" in given.parts else "all"))


def _own_settings(recorded: Recorded, data_dir: str | None) -> DataSettings:
    settings = recorded.settings
    return (settings if data_dir is None else settings.replace(data_dir=data_dir)).data


def _absolute(recorded: Recorded, own: DataSettings, dataset: str) -> DataSettings:
    """Returns the settings of another set, its path as `train` would record it."""
    return with_absolute_paths(recorded.settings.replace(dataset=dataset, data_dir=own.data_dir)).data


def _of_own(dataset: ImageDataset, part_name: PartName) -> Subject:
    parts = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    notes = list(_bad_note(dataset.bad_images))
    if part_name == WHOLE:
        part = Part(dataset.test.source, torch.cat([one.indices for one in parts.values()]))
    else:
        part = parts[part_name]
    if part_name in ("train", WHOLE):
        notes.append("The model has learned from images that are among these: the figures flatter it.")
    if part_name == "val":
        notes.append("The run's best epoch was chosen by these images: the figures flatter it.")
    return Subject(
        dataset=short_name(dataset.name),
        location=dataset.location,
        digest=dataset.digest,
        part_name=part_name,
        part=part,
        is_own=True,
        notes=tuple(notes),
    )


def _of_other(given: GivenSet, rebuilt: Rebuilt, part_name: PartName) -> Subject:
    part = given.part(part_name)
    if not len(part):
        raise DataError(f"the {part_name} part of {given.name} has no image that can be read.")
    labels, notes = _match(given.name, given.class_names, rebuilt)
    return Subject(
        dataset=short_name(given.name),
        location=given.location,
        digest=given.digest,
        part_name=part_name,
        part=Part(Relabelled(part.source, labels[part.source.labels]), part.indices),
        is_own=False,
        notes=(*notes, *_bad_note(given.bad_images)),
    )


def _match(dataset: str, class_names: tuple[str, ...], rebuilt: Rebuilt) -> tuple[Tensor, list[str]]:
    """Returns the model's label of each class of the data, matched by name, and what is to be said of it."""
    known = {name: label for label, name in enumerate(rebuilt.class_names)}
    unknown = [name for name in class_names if name not in known]
    if unknown:
        hint = did_you_mean(unknown[0], known).rstrip(".")
        raise DataError(
            f"the classes of {dataset} are not those of run {rebuilt.run_name}: it does not know "
            f"{unknown[0]!r}{hint}{f' (nor {len(unknown) - 1} more)' if len(unknown) > 1 else ''}. It knows "
            f"{_listed(rebuilt.class_names)}; the data have {_listed(class_names)}. Rename the "
            "classes of the data, or leave out those that the model cannot know."
        )
    labels = torch.tensor([known[name] for name in class_names])
    missing = [name for name in rebuilt.class_names if name not in class_names]
    if missing:
        return labels, [
            f"The data have {len(class_names)} of the model's {len(known)} classes; it may still "
            f"answer {_listed(missing)}, which is then wrong."
        ]
    if class_names != rebuilt.class_names:
        return labels, ["The data have the model's classes in another order; they are matched by name."]
    return labels, []


def short_name(dataset: str) -> str:
    """Returns the data set as people call it: of a folder its name, not its whole path."""
    kind, sign, path = dataset.partition(":")
    return f"{kind}:{Path(path).name}" if sign else kind


def _bad_note(bad: tuple[BadImage, ...]) -> list[str]:
    if not bad:
        return []
    return [
        f"{len(bad)} images cannot be read and are left out, the first being {bad[0].path} ({bad[0].reason})."
    ]


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
