"""What the runs of an experiment found: read from their records, fresh ones and finished ones alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import DataError, TrackingError
from cnnexp.published.schema import Metric
from cnnexp.results.recorded import Recorded
from cnnexp.tracking.search import RunRow

_FINISHED = "FINISHED"


@dataclass(frozen=True, slots=True)
class Measured:
    """The finished runs of each arm, by seed, and the race.

    Attributes:
        arms: name to its runs, in order of their seeds.
        race: the race's own run; None where there was none.
    """

    arms: Mapping[str, Sequence[Recorded]]
    race: RunRow | None = None

    def values(
        self, arm: str, metric: Metric, *, epoch: int | None = None, classes: Sequence[str] = ()
    ) -> list[float]:
        """Returns a figure of an arm, a value per seed; none where it was not measured.

        Raises:
            DataError: `classes` are not classes of the data.
        """
        if metric == "times_torch":
            found = None if self.race is None else self.race.metrics.get(f"{arm}/times_torch")
            return [] if found is None else [found]
        return list(self.by_seed(arm, metric, epoch=epoch, classes=classes).values())

    def by_seed(
        self, arm: str, metric: Metric, *, epoch: int | None = None, classes: Sequence[str] = ()
    ) -> dict[int, float]:
        """Returns seed to figure: arms are paired by seed, for a run of one of them may have failed.

        Raises:
            DataError: `classes` are not classes of the data.
        """
        values = {
            int(run.row.params["seed"]): _value(run, metric, epoch, classes) for run in self.arms.get(arm, ())
        }
        return {seed: value for seed, value in values.items() if value is not None}


def _value(run: Recorded, metric: Metric, epoch: int | None, classes: Sequence[str]) -> float | None:
    if metric == "mistaken":
        return _mistaken(run, classes)
    if metric in ("seconds", "seconds_per_epoch"):
        seconds = [one["seconds"] for one in run.epochs]
        return sum(seconds) if metric == "seconds" else median(seconds)
    if epoch is None:
        return run.row.metrics.get(metric)
    column = metric.replace("/", "_")
    return next((one[column] for one in run.epochs if one["epoch"] == epoch), None)


def _mistaken(run: Recorded, classes: Sequence[str]) -> float:
    names = run.data.class_names
    missing = [one for one in classes if one not in names]
    if missing or len(classes) != 2:  # noqa: PLR2004 - one for the other
        raise DataError(
            f"`mistaken` needs two classes of {run.data.name}, not {list(classes)}; it has "
            f"{', '.join(names)}."
        )
    one, other = (names.index(name) for name in classes)
    return float(run.matrix[one, other] + run.matrix[other, one])


def curve_of(runs: Sequence[Recorded], column: str) -> NDArray[np.float64]:
    """Returns a column of the epoch tables, float64 (seeds, epochs), cut to the shortest."""
    rows = [[one[column] for one in run.epochs] for run in runs]
    shortest = min(map(len, rows), default=0)
    return np.array([row[:shortest] for row in rows], dtype=np.float64).reshape(len(rows), shortest)


def tested(row: RunRow) -> bool:
    """Tells whether a run came to its end."""
    return row.status == _FINISHED


def size_of(runs: Sequence[Recorded]) -> str:
    """Returns what was trained on, in a few words; empty where nothing was recorded."""
    try:
        return f"{runs[0].data.images['train']:,} images of {re.sub('^folder:.*/', '', runs[0].data.name)}"
    except (IndexError, TrackingError):
        return ""
