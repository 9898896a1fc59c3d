"""Runs of equal settings but for the seed, as one arm: what a table of several experiments compares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from cnnexp.experiment.names import CHILD, VAL_ACCURACY
from cnnexp.tracking.search import RunRow

_MEASURED = {"num_parameters", "macs", "num_trainable_parameters", "num_train", "num_val", "num_test"}
_NO_MATTER = {"seed", "run_name", "figures", "log_model", *_MEASURED}  # to what is trained
_OWN_COLUMN = {"model", "dataset"}
_SEED_AT_THE_END = re.compile(r"[-, ]*seed ?\d+$")


@dataclass(frozen=True, slots=True)
class Arm:
    """Runs that differ in the seed alone.

    Attributes:
        label: what tables and legends call it.
        rows: one or more.
    """

    label: str
    rows: tuple[RunRow, ...]

    def values(self, metric: str) -> list[float]:
        """Returns a metric of each run that has it."""
        return [row.metrics[metric] for row in self.rows if metric in row.metrics]


def arms_of(rows: Sequence[RunRow]) -> list[Arm]:
    """Returns the arms of runs, the highest mean of validation accuracy first; no two have one label."""
    by_settings: dict[frozenset[tuple[str, str]], list[RunRow]] = {}
    for row in rows:
        what = frozenset((name, text) for name, text in row.params.items() if name not in _NO_MATTER)
        by_settings.setdefault(what, []).append(row)
    arms = [Arm(_label_of(one), tuple(one)) for one in by_settings.values()]
    arms.sort(key=lambda arm: -fmean(arm.values(VAL_ACCURACY) or [-1.0]))
    labels = [arm.label for arm in arms]
    return [
        arm if labels.count(arm.label) == 1 else Arm(f"{arm.label} ({arm.rows[0].run_id[:4]})", arm.rows)
        for arm in arms
    ]


def differing_params(rows: Sequence[RunRow], most: int) -> list[str]:
    """Returns the settings that are not the same in all runs that have them, the first few."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for name, text in row.params.items():
            found.setdefault(name, set()).add(text)
    names = sorted(found.keys() - _OWN_COLUMN - _NO_MATTER)
    of_best = "best."  # of a study's best trial
    return [name for name in names if len(found[name]) > 1 and not name.startswith(of_best)][:most]


def _label_of(rows: Sequence[RunRow]) -> str:
    """Returns what the runs are called without their seeds: by their parent, or by the first's own name."""
    child = rows[0].tags.get(CHILD, "")
    return _SEED_AT_THE_END.sub("", child) or _SEED_AT_THE_END.sub("", rows[0].name) or rows[0].run_id[:8]
