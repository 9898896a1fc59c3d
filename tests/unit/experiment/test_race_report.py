from __future__ import annotations

import csv
import io

import pytest

from cnnexp.experiment.race_report import (
    HEADER,
    ROUNDED,
    Entrant,
    RaceResult,
    curves_of,
    epochs_csv,
    rows_of,
    sentences_of,
    title_of,
    verdict_of,
)
from cnnexp.figures.race import race_curves
from cnnexp.settings import Settings
from cnnexp.training.events import EpochReport, Outcome, Status

DONE = Outcome(Status.COMPLETED, "all epochs")


def entrant(
    label: str, *, moved: float = 0.0, seconds: float = 1.0, logits: float = 0.0, epochs: int = 3
) -> Entrant:
    """Losses 1/epoch, times 1 + moved; the first epoch is ten times slower, as a process's first is."""
    history = tuple(
        EpochReport(
            epoch=epoch,
            train_loss=(1 + moved) / epoch,
            train_accuracy=0.5,
            val_loss=(1 + moved) / epoch,
            val_accuracy=0.5,
            lr=0.01,
            seconds=seconds * (10 if epoch == 1 else 1),
            images_per_second=1.0,
            is_best=True,
        )
        for epoch in range(1, epochs + 1)
    )
    return Entrant(label, history, DONE, "0123", "abc", logits)


def race_of(*entrants: Entrant) -> RaceResult:
    return RaceResult(DONE, "convnet on made", entrants, Settings(), "race", "id", "1", "sqlite:///mlflow.db")


def test_times_are_ratios_of_median_epochs() -> None:
    result = race_of(entrant("torch"), entrant("loop", seconds=50.0))
    assert result.ratio(result.entrants[1]) == 50


@pytest.mark.parametrize(
    ("moved", "logits", "yardstick", "verdict"),
    [
        (0.0, 0.0, 0.0, "the same training to within rounding"),
        (9e-6, 1e-7, 1e-6, "the same training to within rounding"),
        (2e-5, 1e-7, 1e-6, "the curves are farther apart than rounding explains"),
        (0.0, 1e-4, 1e-6, "its first logits are farther from torch's than rounding explains"),
        (0.1, 1e-7, 0.1, "this training makes so much of one rounding that curves cannot tell"),
    ],
)
def test_curves_are_judged_by_what_one_rounding_does_to_torch(
    moved: float, logits: float, yardstick: float, verdict: str
) -> None:
    other = entrant("im2col", moved=moved, logits=logits)
    result = race_of(entrant("torch"), entrant(ROUNDED, moved=yardstick), other)
    assert verdict_of(result, other).startswith(verdict)


def test_without_its_yardstick_nothing_is_said_to_agree() -> None:
    other = entrant("im2col")
    assert "farther" in verdict_of(race_of(entrant("torch"), other), other)


def test_what_ended_before_its_first_epoch_is_in_the_table_and_said() -> None:
    result = race_of(entrant("torch"), entrant(ROUNDED), entrant("loop", epochs=0))
    assert rows_of(result)[2] == ("loop", *["–"] * (len(HEADER) - 1))
    assert sentences_of(result)[0] == "loop: no epoch was finished"


def test_the_table_of_epochs_has_a_line_for_each() -> None:
    rows = list(csv.DictReader(io.StringIO(epochs_csv(race_of(entrant("torch"), entrant("loop"))))))
    assert [(row["algorithm"], row["epoch"]) for row in rows] == [
        (label, str(epoch)) for label in ("torch", "loop") for epoch in (1, 2, 3)
    ]


@pytest.mark.parametrize("epochs", [1, 30])
def test_the_figure_shows_every_algorithm_over_the_others(epochs: int) -> None:
    result = race_of(entrant("torch", epochs=epochs), entrant("loop", seconds=900, epochs=epochs))
    figure = race_curves(
        {one.label: curves_of(one.history) for one in result.algorithms},
        {one.label: one.epoch_seconds for one in result.algorithms},
        title=title_of(result),
    )
    loss, accuracy, times = figure.axes
    assert [len(axes.lines) for axes in (loss, accuracy)] == [4, 4]
    assert loss.lines[0].get_linewidth() > loss.lines[2].get_linewidth()  # the first shows at the sides
    assert any("(900.00 × torch)" in text.get_text() for text in times.texts)
