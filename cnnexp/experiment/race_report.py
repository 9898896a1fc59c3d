"""What a race has found: times as ratios, and whether the curves coincide to rounding."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from cnnexp.experiment.assemble import Assembly
from cnnexp.experiment.convolutions import TORCH
from cnnexp.experiment.record import settings_text
from cnnexp.models import layer_table
from cnnexp.settings import Settings
from cnnexp.tracking.environment import machine_facts
from cnnexp.tracking.run import Run
from cnnexp.training.events import EpochReport, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROUNDED = "torch-rounded"  # torch from a start moved by one rounding: the yardstick
TIMES_ROUNDING = 10.0  # differences up to this many times the yardstick's are called rounding
SAME_LOGITS = 1e-5  # relative, in float32: the same network
_CHAOS = 0.03  # where the yardstick itself is so far away, curves tell nothing
_FLOAT32_EPS = 2.0**-23
HEADER = (
    "algorithm",
    "s/epoch",
    "x torch",
    "train loss",
    "val loss",
    "val accuracy",
    "logits apart",
    "train apart",
    "val apart",
)


@dataclass(frozen=True, slots=True)
class Entrant:
    """One training of a race.

    Attributes:
        label: algorithm, or ROUNDED.
        history: a report per epoch.
        outcome: how it ended.
        run_id: of MLflow.
        start: digest of the weights it started from.
        logits: how far its first logits are from torch's before training, relative to the largest.
    """

    label: str
    history: tuple[EpochReport, ...]
    outcome: Outcome
    run_id: str
    start: str
    logits: float

    @property
    def epoch_seconds(self) -> float:
        """Median over the epochs: the first of a process is slower; nan without any."""
        return median(one.seconds for one in self.history) if self.history else math.nan


@dataclass(frozen=True, slots=True)
class Apart:
    """The largest relative difference of two trainings' losses in any common epoch.

    Attributes:
        train: of the training loss.
        val: of the validation loss.
    """

    train: float
    val: float


@dataclass(frozen=True, slots=True)
class RaceResult:
    """A finished race.

    Attributes:
        outcome: how it ended, and why.
        title: what was trained on what.
        entrants: in the order they were trained: torch, ROUNDED, then the others.
        settings: of torch's run, resolved.
        run_name: of the parent run.
        run_id: of the parent run.
        experiment_id: of MLflow.
        tracking_uri: of the store that holds the runs.
    """

    outcome: Outcome
    title: str
    entrants: tuple[Entrant, ...]
    settings: Settings
    run_name: str
    run_id: str
    experiment_id: str
    tracking_uri: str

    @property
    def torch(self) -> Entrant:
        """What the others are compared with."""
        return self.entrants[0]

    @property
    def algorithms(self) -> tuple[Entrant, ...]:
        """The entrants but the yardstick."""
        return tuple(one for one in self.entrants if one.label != ROUNDED)

    @property
    def rounding(self) -> Apart:
        """How far one rounding of the start takes torch itself; nan where that was not trained."""
        found = [one for one in self.entrants if one.label == ROUNDED]
        return self.apart(found[0]) if found else Apart(math.nan, math.nan)

    def apart(self, entrant: Entrant) -> Apart:
        """How far an entrant's losses are from torch's."""
        return Apart(
            _difference(entrant, self.torch, "train_loss"), _difference(entrant, self.torch, "val_loss")
        )

    def ratio(self, entrant: Entrant) -> float:
        """Time per epoch over torch's."""
        return entrant.epoch_seconds / self.torch.epoch_seconds


def _difference(one: Entrant, other: Entrant, name: str) -> float:
    pairs = [
        (getattr(mine, name), getattr(theirs, name))
        for mine, theirs in zip(one.history, other.history, strict=False)
    ]
    return max((abs(a - b) / abs(b) for a, b in pairs), default=math.nan)


def verdict_of(result: RaceResult, entrant: Entrant) -> str:
    """Returns whether an entrant computes the same training as torch, as far as that can be told."""
    if entrant.logits > SAME_LOGITS:
        return "its first logits are farther from torch's than rounding explains: not the same network"
    apart, rounding = result.apart(entrant), result.rounding
    if max(rounding.train, rounding.val) > _CHAOS:
        return "this training makes so much of one rounding that curves cannot tell; the first logits agree"
    # One measure for both losses: by how much a single moved start is off in one of them is much by chance.
    allowed = TIMES_ROUNDING * max(rounding.train, rounding.val, _FLOAT32_EPS)
    if max(apart.train, apart.val) <= allowed:
        return "the same training to within rounding"
    return "the curves are farther apart than rounding explains"


def sentences_of(result: RaceResult) -> tuple[str, ...]:
    """Returns what can be said of each algorithm but torch, in plain words."""
    found = []
    for one in result.algorithms[1:]:
        if not one.history:
            found.append(f"{one.label}: no epoch was finished")
            continue
        apart = result.apart(one)
        found.append(
            f"{one.label}: {result.ratio(one):,.2f} x torch's time an epoch; losses apart from torch's by at "
            f"most {apart.train:.0e} (train) and {apart.val:.0e} (val): {verdict_of(result, one)}"
        )
    rounding = result.rounding
    found.append(
        f"yardstick: with every weight moved by one rounding torch itself comes out {rounding.train:.0e} "
        f"(train) and {rounding.val:.0e} (val) away; up to {TIMES_ROUNDING:.0f} times that is rounding"
    )
    return tuple(found)


def rows_of(result: RaceResult) -> list[tuple[str, ...]]:
    """Returns a row per entrant under HEADER."""
    rows = []
    for one in result.entrants:
        if one.history:
            last = one.history[-1]
            losses = f"{last.train_loss:.4f}", f"{last.val_loss:.4f}", f"{last.val_accuracy:.4f}"
            apart = result.apart(one)
            far = [f"{value:.0e}" for value in (one.logits, apart.train, apart.val)]
            times = f"{one.epoch_seconds:.2f}", f"{result.ratio(one):,.2f}"
            rows.append((one.label, *times, *losses, *(["", "", ""] if one.label == TORCH else far)))
        else:
            rows.append((one.label, *["–"] * (len(HEADER) - 1)))
    return rows


def about(assembly: Assembly) -> str:
    """Returns what was trained, in a line, with its size beside the published experiment's."""
    data, settings = assembly.dataset, assembly.settings
    return (
        f"{len(data.train):,} training and {len(data.val):,} validation images, {data.spec}, "
        f"{settings.training.epochs} epochs, batch {settings.optimization.batch_size}, "
        f"{settings.optimization.optimizer} {settings.optimization.lr:g} "
        "(published: 320 and 80 photos, 3×64×64, 5 epochs, batch 16, adam 0.01)"
    )


def record_race(run: Run, result: RaceResult, assembly: Assembly) -> None:
    """Writes settings, tables, the figure and the description; the run stays open."""
    table = layer_table(assembly.torch_network, assembly.dataset.spec)
    model = result.settings.network.model
    run.log_params(
        {
            "model": model,
            "dataset": assembly.dataset_name,
            "epochs": result.settings.training.epochs,
            "algorithms": ",".join(one.label for one in result.algorithms),
            "initial_weights": result.torch.start,
            "threads": result.settings.compute.threads,
            "macs": table.macs,
            **{f"machine.{name}": value for name, value in machine_facts().items()},
        }
    )
    run.set_tags({"model": model, "dataset": assembly.dataset_name})
    run.log_text(settings_text(result.settings), "settings.yaml")
    run.log_text(epochs_csv(result), "race/epochs.csv")
    run.log_text(markdown_of(result), "race/table.md")
    for one in result.algorithms[1:]:
        if one.history:
            run.log_metrics(
                {
                    f"{one.label}/times_torch": result.ratio(one),
                    f"{one.label}/train_loss_apart": result.apart(one).train,
                    f"{one.label}/val_loss_apart": result.apart(one).val,
                    f"{one.label}/logits_apart": one.logits,
                }
            )
    if result.settings.tracking.figures != "none" and result.torch.history:
        run.log_figure(_figure(result), "race/race.png")
    lines = [f"Race **{result.title}**: {result.outcome.reason}.", "", about(assembly), ""]
    lines += [f"- {sentence}" for sentence in sentences_of(result)]
    run.set_description("\n".join([*lines, "", markdown_of(result)]))


def _figure(result: RaceResult) -> Figure:
    from cnnexp.figures.race import race_curves

    begun = [one for one in result.algorithms if one.history]
    curves = {one.label: curves_of(one.history) for one in begun}
    return race_curves(curves, {one.label: one.epoch_seconds for one in begun}, title=title_of(result))


def title_of(result: RaceResult) -> str:
    """Returns the figure's title: the finding."""
    others = [one for one in result.algorithms[1:] if one.history]
    times = ", ".join(f"{one.label} {result.ratio(one):,.1f} ×" for one in others)
    verdicts = {verdict_of(result, one) for one in others}
    found = verdicts.pop() if len(verdicts) == 1 else "the algorithms do not agree"
    return f"{result.title}: {found}; time an epoch: {times} torch's"


def curves_of(history: Sequence[EpochReport]) -> dict[str, np.ndarray]:
    """Returns train and validation loss and accuracy by epoch, float64 (epochs,)."""
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    return {name: np.array([getattr(one, name) for one in history], dtype=np.float64) for name in names}


def epochs_csv(result: RaceResult) -> str:
    """Returns every epoch of every entrant as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = False
    for one in result.entrants:
        for report in one.history:
            row = {"algorithm": one.label, **report.as_dict()}
            if not header:
                writer.writerow(row)
                header = True
            writer.writerow(row.values())
    return text.getvalue()


def markdown_of(result: RaceResult) -> str:
    """Returns the table in Markdown."""
    rows = [HEADER, ("---", *["---:"] * (len(HEADER) - 1)), *rows_of(result)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
