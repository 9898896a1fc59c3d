"""A finished run as it was recorded: read from its files and the store, without data set or network."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnexp.errors import TrackingError
from cnnexp.experiment.names import (
    CHOSEN_FILE,
    DATASET_FILE,
    EPOCHS_FILE,
    PREDICTIONS_FILE,
    SETTINGS_FILE,
    read_json,
)
from cnnexp.settings import Settings, read_settings_file, resolve
from cnnexp.tracking.rows import read_row, way_to_children
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPRODUCES = "reproduces"  # tag: the id of the run that is trained again


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The data set of a run.

    Attributes:
        name: as people call it.
        digest: `sha256:...` over images, labels and class names of all parts.
        class_names: by label, K.
        image: (C, H, W).
        images: number of each part: train, val, test.
        images_per_class: of each part, by label.
        mean, std: per channel, of pixels in [0, 1]: what the network's input is normalised by.
    """

    name: str
    digest: str
    class_names: tuple[str, ...]
    image: tuple[int, int, int]
    images: dict[str, int]
    images_per_class: dict[str, list[int]]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a run said of each image of its test part, in the part's order.

    Attributes:
        images: int64 (N,): rows in the whole data set.
        labels: int64 (N,).
        predicted: int64 (N,).
        probability: float64 (N,), in [0, 1]: of the predicted class.
    """

    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Bool (N,)."""
        return np.equal(self.predicted, self.labels)


class Recorded:
    """A run of the store; files are read (and from a server fetched) when they are asked for.

    Args:
        store: that it is in.
        row: its params, metrics and tags.
        model_id: `m-...`, of the model by which the run was asked for; None where that was not by one.
    """

    def __init__(self, store: Store, row: RunRow, model_id: str | None = None) -> None:
        self.store, self.row, self.model_id = store, row, model_id

    @property
    def run_id(self) -> str:
        """32 hex digits."""
        return self.row.run_id

    @property
    def label(self) -> str:
        """What a table calls the run: its name."""
        return self.row.name or self.run_id[:8]

    def file(self, path: str) -> Path:
        """Returns a file of the run.

        Raises:
            TrackingError: it has no such file.
        """
        try:
            return self.store.fetch(self.run_id, path)
        except TrackingError as error:
            way = way_to_children(self.store, self.run_id)
            if not way:
                raise
            raise TrackingError(f"run {self.label} ({self.run_id}) has no file {path}. {way}") from error

    @cached_property
    def settings(self) -> Settings:
        """The settings it was trained with.

        Raises:
            TrackingError: it has none: it is not a run of ours, or never came so far.
        """
        return resolve(read_settings_file(self.file(SETTINGS_FILE)))

    @cached_property
    def chosen(self) -> dict[str, Any]:
        """Those of its settings that were chosen, by name.

        Raises:
            TrackingError: it did not record them.
        """
        return {name: given.value for name, given in read_settings_file(self.file(CHOSEN_FILE)).items()}

    @cached_property
    def data(self) -> DataFacts:
        """Its data set.

        Raises:
            TrackingError: it has none.
        """
        found: dict[str, Any] = read_json(self.file(DATASET_FILE))
        channels, height, width = found["image"]
        return DataFacts(
            name=found["name"],
            digest=found["digest"],
            class_names=tuple(found["class_names"]),
            image=(channels, height, width),
            images=found["images"],
            images_per_class=found["images_per_class"],
            mean=tuple(found["mean"]),
            std=tuple(found["std"]),
        )

    @cached_property
    def epochs(self) -> list[dict[str, float]]:
        """One mapping an epoch, with the names of `EpochReport`.

        Raises:
            TrackingError: no epoch was finished.
        """
        with self.file(EPOCHS_FILE).open(encoding="utf-8", newline="") as lines:
            return [
                {name: float(value) for name, value in line.items() if name != "is_best"}
                for line in csv.DictReader(lines)
            ]

    @cached_property
    def predictions(self) -> Predictions:
        """Every prediction of the test part.

        Raises:
            TrackingError: the test part was not evaluated.
        """
        path = self.file(PREDICTIONS_FILE)
        with path.open(encoding="utf-8") as lines:
            names = next(lines).strip().split(",")
            columns = [names.index(name) for name in ("image", "label", "predicted", "probability")]
            # One float64 table reads ten times as fast as guessed types; it holds whole numbers up to 2**53.
            table = np.loadtxt(lines, delimiter=",", comments=None, usecols=columns, ndmin=2)
        images, labels, predicted = table[:, :3].astype(np.int64).T
        return Predictions(images, labels, predicted, table[:, 3].copy())

    @cached_property
    def matrix(self) -> NDArray[np.int64]:
        """Confusion matrix of the test part, int64 (K, K); a row is a true class, a column a predicted one.

        Raises:
            TrackingError: the test part was not evaluated.
        """
        count, of_test = len(self.data.class_names), self.predictions
        return np.bincount(
            of_test.labels * count + of_test.predicted, minlength=count * count
        ).reshape(count, count)  # fmt: skip


def find_recorded(store: Store, text: str) -> Recorded:
    """Returns the run that is meant.

    Args:
        store: where it is.
        text: a run id, the unique start of one, a name, `last`, `best`, or the URI of a model of the run.

    Raises:
        TrackingError: none or several; the message lists the candidates.
    """
    meant = store.find_model(text)
    return Recorded(store, read_row(store, meant.run_id), meant.model_id)
