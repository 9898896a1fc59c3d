from __future__ import annotations

import pytest
from click.testing import CliRunner

from cnnexp.cli import cli
from cnnexp.cli.options import given_settings
from cnnexp.cli.sweep import say_sweep, sweep
from cnnexp.errors import UserError
from cnnexp.settings import GridSettings, TrackingSettings
from cnnexp.training.events import Outcome, Status
from cnnexp.tuning.compare import Cell, effect_of, sentence_of
from cnnexp.tuning.result import SweepResult


def result_of(status: Status, *accuracies: tuple[float, ...]) -> SweepResult:
    cells = [
        Cell(
            {"lr": lr},
            dict(enumerate(found)),
            dict(enumerate(found)),
            {"parameters": 714.0},
            {},
            note="" if found else "too large",
        )
        for lr, found in zip((0.1, 0.01), accuracies, strict=True)
    ]
    effect = effect_of("lr", cells)
    return SweepResult(
        outcome=Outcome(status, "4 of 4 trials are finished"),
        name="a sweep",
        varied=("lr",),
        cells=tuple(cells),
        effects=(effect,),
        sentences=(sentence_of(effect),),
        command="cnnexp train --lr 0.1",
        run_id="1",
        experiment_id="2",
        tracking_uri="sqlite:///mlflow.db",
        tracking=TrackingSettings(),
        storage="sqlite:///optuna.db",
    )


def test_what_varies_stays_text() -> None:
    typed = ["--vary", "kernel_size=3,5", "--vary", "lr=0.1,0.01", "--seeds", "3"]
    with cli.make_context("cnnexp", ["sweep", *typed]) as group:
        context = sweep.make_context("sweep", list(typed), parent=group)
        found = {name: one.value for name, one in given_settings(context, GridSettings).items()}
    assert found == {"vary": {"kernel_size": "3,5", "lr": "0.1,0.01"}, "seeds": "3"}


def test_a_name_without_values_is_refused() -> None:
    result = CliRunner().invoke(cli, ["sweep", "--vary", "lr"])
    assert isinstance(result.exception, UserError)
    assert "must be NAME=VALUE, such as --vary name=3" in str(result.exception)


def test_the_end_says_table_findings_rule_and_way_on(capsys: pytest.CaptureFixture[str]) -> None:
    say_sweep(result_of(Status.COMPLETED, (0.5, 0.6), (0.7, 0.8)))
    told = capsys.readouterr().out
    assert "75.00 ± 7.07" in told
    assert "0.01 is 20.0 points ahead of 0.1, which these seeds cannot tell from chance" in told
    assert "Welch's 95 % t interval" in told
    assert "--resume" not in told


def test_a_stopped_sweep_says_how_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    say_sweep(result_of(Status.INTERRUPTED, (0.5,), ()))
    told = capsys.readouterr().out
    assert "cnnexp sweep --resume 'a sweep'" in told
    assert "not trained  too large" in told
    assert "Welch" not in told  # one seed: nothing was compared by it
