from __future__ import annotations

import pytest

from cnnexp.cli.terminal import Terminal, say_result
from cnnexp.experiment import Result
from cnnexp.settings import Given, resolve
from cnnexp.training.events import Outcome, Status

METRICS = {
    "best/epoch": 3.0,
    "best/val_accuracy": 0.9,
    "best/val_loss": 0.1,
    "test/accuracy": 0.875,
    "test/accuracy_low": 0.87,
    "test/accuracy_high": 0.88,
}


def result(store: str, status: Status = Status.COMPLETED, **settings: str) -> Result:
    return Result(
        outcome=Outcome(status, "Ctrl-C"),
        metrics=METRICS,
        history=(),
        settings=resolve({name: Given(value, "test") for name, value in settings.items()}),
        class_names=("a", "b"),
        model=None,
        run_id="0123456789abcdef",
        run_name="lenet-1",
        experiment_id="7",
        tracking_uri=store,
    )


def said(capsys: pytest.CaptureFixture[str], one: Result) -> list[str]:
    say_result(one)
    return capsys.readouterr().out.splitlines()


def test_piped_lines_are_not_padded(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, result("sqlite:////there/mlflow.db"))
    assert lines[0] == "best epoch     3: validation accuracy 0.9000, loss 0.1000"
    assert lines == [line.rstrip() for line in lines]
    assert lines[-1] == "look           cnnexp ui"


def test_a_run_on_a_server_ends_with_the_address_of_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = "/#/experiments/7/runs/0123456789abcdef?workflowType=machine_learning"
    assert said(capsys, result("http://oak:5000"))[-1] == f"http://oak:5000{page}"
    lines = said(capsys, result("https://me:secret@oak/", tracking_uri="https://me:secret@oak/"))
    assert lines[-1] == f"https://oak{page}"
    assert "secret" not in "\n".join(lines)


def test_the_commands_to_go_on_find_the_same_store(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"tracking_uri": "sqlite:////a b/mlflow.db", "experiment": "mine"}
    lines = said(capsys, result("sqlite:////a b/mlflow.db", Status.INTERRUPTED, **settings))
    store = "--tracking-uri 'sqlite:////a b/mlflow.db'"
    assert lines[-2:] == [
        f"look           cnnexp ui {store} --experiment mine",
        f"go on          cnnexp train --resume 01234567 {store}",
    ]


def test_without_a_terminal_only_a_task_that_takes_long_is_said_and_that_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Terminal(quiet=False) as shown:
        shown.progress("decoding", 10, 10)
        shown.progress("downloading", 1, 9)
        for now in (1.0, 3.0, 5.0):  # noqa: B007 - the clock reads it
            shown.progress("downloading", 2, 9)
        shown.progress("decoding", 10, 10)
    assert capsys.readouterr().out == "downloading ...\n"


def test_without_a_terminal_a_task_of_unknown_length_is_said_at_once_and_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Terminal(quiet=False) as shown:
        for done, total in ((0, 0), (0, 4), (4, 4), (0, 0)):
            shown.progress("measuring", done, total)
    assert capsys.readouterr().out == "measuring ...\n"
