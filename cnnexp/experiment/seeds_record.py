"""What several seeds have found: a table, mean and spread of each measure, and what their parent holds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import TrackingError
from cnnexp.experiment.assemble import Assembly
from cnnexp.experiment.chosen import chosen_text
from cnnexp.experiment.names import CHILD, CHOSEN_FILE, SEEDS_KIND, SETTINGS_FILE, TEST_ACCURACY, VAL_ACCURACY
from cnnexp.experiment.record import settings_text
from cnnexp.experiment.statistics import Spread, spread_of
from cnnexp.experiment.tables import csv_table, markdown_table
from cnnexp.settings import TrackingSettings
from cnnexp.tracking import environment
from cnnexp.tracking.curves import curves_of_run
from cnnexp.tracking.run import Run
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import Store
from cnnexp.training.events import Outcome, Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEDS = "seeds"  # its param: how many
MEASURES = {  # metric to how a table calls it
    TEST_ACCURACY: "test accuracy",
    "test/loss": "test loss",
    "test/macro_f1": "macro F1",
    VAL_ACCURACY: "val accuracy",
}
CURVES = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
_SHARES = (TEST_ACCURACY, "test/macro_f1", VAL_ACCURACY)  # in [0, 1]
_ABOUT_ENDS = (  # the names are those of single runs, whose intervals are of another kind
    f" Its ends are the metrics `{TEST_ACCURACY}_low` and `{TEST_ACCURACY}_high`: here over seeds, in each "
    "seed's own run over test images."
)
HEADER = ("seed", "epoch", *MEASURES.values(), "seconds", "run")
Curves = dict[str, list[NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class SeedsResult:
    """Several seeds of one training, finished or stopped.

    Attributes:
        outcome: how it ended, and why.
        title: what was trained on what.
        asked: how many seeds.
        rows: a run per seed that was begun.
        run_name: of the parent.
        run_id: of the parent.
        experiment_id: of MLflow.
        tracking_uri: of the store.
        tracking: settings of it, as given.
    """

    outcome: Outcome
    title: str
    asked: int
    rows: tuple[RunRow, ...]
    run_name: str
    run_id: str
    experiment_id: str
    tracking_uri: str
    tracking: TrackingSettings

    @property
    def finished(self) -> tuple[RunRow, ...]:
        """The runs that were trained to their end and tested."""
        return tuple(row for row in self.rows if row.status == "FINISHED" and TEST_ACCURACY in row.metrics)

    @property
    def spreads(self) -> dict[str, Spread]:
        """Each of `MEASURES` over the finished seeds; empty without any."""
        return {
            name: spread_of([row.metrics[name] for row in self.finished], share=name in _SHARES)
            for name in MEASURES
            if self.finished
        }


def sentence_of(result: SeedsResult) -> str:
    """Returns what was found, in one plain sentence; empty where nothing was."""
    found = result.spreads.get(TEST_ACCURACY)
    if found is None:
        return ""
    count = len(result.finished)
    of = f"{count} seeds" if count == result.asked else f"{count} of {result.asked} seeds"
    if found.interval is None:
        return f"test accuracy {found.text()} ({of})"
    low, high = found.interval
    return f"test accuracy {found.text()} (95 % interval {low:.3f} to {high:.3f} over {of})"


def rows_of(result: SeedsResult) -> list[tuple[str, ...]]:
    """Returns a row of text per seed under HEADER, and below the mean ± sd."""
    rows = []
    for row in result.rows:
        measured = [_number(row.metrics.get(name), ".4f") for name in MEASURES]
        epoch, seconds = _number(row.metrics.get("best/epoch"), ".0f"), _number(row.seconds, ".0f")
        name = row.run_id[:8] if row.status == "FINISHED" else f"{row.run_id[:8]} {row.outcome}"
        rows.append((row.tags[CHILD].removeprefix("seed "), epoch, *measured, seconds, name))
    if len(result.finished) > 1:
        rows.append(("mean ± sd", "", *(one.text(digits=4) for one in result.spreads.values()), "", ""))
    return rows


def record_seeds_start(run: Run, assembly: Assembly, count: int) -> None:
    """Writes what is known before training; the settings are those of a single run, of the first seed."""
    settings = assembly.settings
    run.log_params({SEEDS: count})
    run.set_tags({"model": settings.network.model, "dataset": assembly.dataset_name, "kind": SEEDS_KIND})
    text = settings_text(settings.replace(run_name=None))
    run.log_text(f"# Repeat it: {_command(count)}\n{text}", SETTINGS_FILE)
    run.log_text(chosen_text(assembly.asked), CHOSEN_FILE)
    for name, content in environment.describe().items():
        run.log_text(content, f"environment/{name}")


def record_seeds(run: Run, result: SeedsResult, store: Store, *, draws: bool) -> None:
    """Writes metrics, params, tables, figure and description; the run stays open."""
    if result.finished:
        run.log_params(_common([dict(row.params) for row in result.finished]))
    if result.outcome.status is not Status.INTERRUPTED:
        run.log_metrics(metrics_of(result))
    header = ("seed", "run_id", "best_epoch", *(name.replace("/", "_") for name in MEASURES), "seconds")
    measured = ("best/epoch", *MEASURES)
    lines = [
        (
            row.tags[CHILD].removeprefix("seed "),
            row.run_id,
            *(row.metrics.get(name, "") for name in measured),
            row.seconds or "",
        )
        for row in result.rows
    ]
    run.log_text(csv_table(header, lines), "seeds/table.csv")
    table = markdown_table(HEADER, rows_of(result))
    run.log_text(table, "seeds/table.md")
    if draws and result.finished:
        run.log_figure(_figure(result, store), "plots/learning_curves.png")
    found = sentence_of(result)
    lines_of_text = [
        f"**{result.title}** with {result.asked} seeds: {result.outcome.reason}.",
        *(["", f"Found: {found}; a t interval of the mean.{_ABOUT_ENDS}"] if found else []),
        *("", table),
        f"Repeat it: save `{SETTINGS_FILE}` from the artifacts, then `{_command(result.asked)}`.",
    ]
    run.set_description("\n".join(lines_of_text))


def metrics_of(result: SeedsResult) -> dict[str, float]:
    """Returns each measure's mean under its own name, and sd and interval beside it."""
    metrics: dict[str, float] = {}
    for name, found in result.spreads.items():
        metrics[name] = found.mean
        if found.sd is not None and found.interval is not None:
            low, high = found.interval
            metrics |= {f"{name}_sd": found.sd, f"{name}_low": low, f"{name}_high": high}
    return metrics


def curves_of(store: Store, rows: Sequence[RunRow]) -> Curves:
    """Returns each of CURVES as float (epochs,) per run; runs whose epochs are gone are left out."""
    found: Curves = {name: [] for name in CURVES}
    for row in rows:
        with suppress(TrackingError):
            of_run = curves_of_run(store, row.run_id, CURVES)
            for name, values in of_run.items():
                found[name].append(np.array(values, dtype=np.float64))
    return found


def _figure(result: SeedsResult, store: Store) -> Figure:
    from cnnexp.figures.seeds import seed_curves

    return seed_curves(curves_of(store, result.finished), title=f"{result.title}: {sentence_of(result)}")


def _common(params: Sequence[dict[str, str]]) -> dict[str, str]:
    """Returns what all runs have alike: of the seed only that it differs is known."""
    same = reduce(lambda one, other: dict(one.items() & other.items()), params)
    return {name: params[0][name] for name in params[0] if name in same and name != "run_name"}


def _command(count: int) -> str:
    return shlex.join(["cnnexp", "train", "--config", SETTINGS_FILE, "--seeds", str(count)])


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
