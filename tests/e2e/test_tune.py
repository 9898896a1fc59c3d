"""Whole studies, as a user types them: determinism, failures, limits, bad input."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from cnnexp.cli import main
from tests.e2e.studies import (
    Hold,
    check_exact,
    children,
    counted,
    finished,
    parent,
    runs_of,
    storage_in,
    trials_of,
    tune,
    write_model,
)
from tests.warm import finish, start

ALONE = [
    "--jobs",
    "1",
    "--space",
    "width",
    "--space",
    "lr",
    "--space",
    "batch_size=32,64,128",
    "--epochs",
    "4",
]


def test_a_study_is_the_same_twice_also_when_it_was_stopped_in_the_middle(tmp_path: Path) -> None:
    """14 trials: ten at random, four by TPE; with pruning."""
    command = tune("--trials", "14", *ALONE)
    found = {}
    for name in ("once", "twice", "stopped"):
        folder = tmp_path / name
        folder.mkdir()
        write_model(folder)
        if name == "stopped":
            os.chdir(folder)  # put back with the test
            hold = Hold(from_trial=6)
            process = start(command)
            hold.wait(1, process)
            process.send_signal(signal.SIGINT)
            hold.release()
            finish(process)
            assert process.returncode == 130
            assert len(counted(storage_in(folder))) == 5
        finished(command, folder=folder)
        found[name] = counted(storage_in(folder))
    assert len(found["once"]) == 14
    assert "PRUNED" in {state for state, *_ in found["once"]}
    assert found["twice"] == found["once"]
    assert found["stopped"] == found["once"]
    check_exact(storage_in(tmp_path / "stopped"), 14)


@pytest.mark.parametrize(
    ("fault", "says"), [("nan", "loss became nan"), ("raise", "a fault of the model's own")]
)
def test_a_study_whose_trials_all_fail_ends_with_one_sentence(
    ready_store: str,  # noqa: ARG001 - made
    fault: str,
    says: str,
) -> None:
    write_model()
    options = [
        "--set",
        f"fault={fault}",
        "--trials",
        "9",
        "--max-failures",
        "4",
        "--jobs",
        "1",
        "--space",
        "lr",
    ]
    output = finished(tune(*options), code=1)
    assert "Traceback" not in output
    assert re.search(rf"study +s: 4 trials in a row failed, the last with: .*{says}", output)
    assert parent().info.status == "FAILED"
    assert [run.info.status for run in children()] == ["FAILED"] * 4
    assert all(says in run.data.tags["cnnexp.reason"] for run in children())


def test_a_candidate_that_is_too_large_is_never_trained(ready_store: str) -> None:  # noqa: ARG001 - made
    """64 pixels: a width has 64 + 1 + 10 parameters, and there are 10 more."""
    write_model()
    limit = 800 * 8 + 10
    options = ["--space", "width", "--space", "lr", "--trials", "9", "--jobs", "1"]
    output = finished(tune(*options, "--max-parameters", str(limit)))
    rows = {trial.number: trial for trial in trials_of(storage_in())}
    assert len(rows) == 9
    large = {number for number, trial in rows.items() if trial.params["width"] > 8}
    assert large
    for run in children():
        number = int(run.data.tags["trial_number"])
        was_trained = "val/accuracy" in run.data.metrics
        assert was_trained == (number not in large)
        if number in large:
            assert rows[number].state.name == "PRUNED"
            assert f"more than the {limit:,} allowed" in run.data.tags["cnnexp.reason"]
    assert "never trained" in output


def test_when_no_candidate_is_left_results_are_taken_over(ready_store: str) -> None:  # noqa: ARG001 - made
    write_model()
    finished(tune("--space", "width=2,4,8", "--trials", "5", "--jobs", "1"))
    trials = trials_of(storage_in())
    assert [trial.params["width"] for trial in trials][:3] in ([4, 2, 8], [4, 8, 2])
    values = {trial.params["width"]: trial.values for trial in trials[:3]}
    for trial in trials[3:]:
        assert trial.values == values[trial.params["width"]]
    reused = [run for run in children() if "reused" in run.data.tags]
    assert len(reused) == 2
    assert all("whose result stands" in run.data.tags["cnnexp.reason"] for run in reused)


BAD = [
    (["--trials", "0"], "trials = '0' (--trials): must be at least 1."),
    (["--jobs", "0"], "jobs = '0' (--jobs): must be at least 1."),
    (["--space", "lr=1..0.1"], "a range needs finite low < high, not 1.0..0.1"),
    (["--space", "lr=a..b"], "'a' is not a number"),
    (["--space", "kernal_size=3,5"], "did you mean 'kernel_size'?"),
    (["--space", "seed=1,2"], "is the same for all trials of a study and cannot be searched"),
    (["--space", "lr=-1..1"], "holds -1.0; lr must be"),
    (["--space", "kernel_size=0..3"], "holds 0; kernel_size must be at least 1"),
    (["--space", "kernel_size=29,31", "--image-size", "8"], "convnet cannot take 8×8 images"),
    (["--storage", "postgresql://me@127.0.0.1:{port}/s"], "cannot be used: .*refused"),
    (["--storage", "notes.db"], "is not a database"),
    (["--storage", "sqlite:///notes.db"], "not a database"),
    (["--sampler", "grid", "--space", "batch_size=1..1001"], "the grid has 1,001 cells, more than 1,000"),
    (["--sampler", "grid", "--space", "lr"], "is continuous, and a grid needs single values"),
    (
        ["--pruner", "median", "--objective", "val/accuracy", "--objective", "macs"],
        "cannot be used with these",
    ),
    (["--sampler", "gp", "--objective", "val/accuracy", "--objective", "macs"], "'gp' is for one objective"),
    (["--resume", "nothing"], "there is no study 'nothing'"),
]


@pytest.mark.parametrize(("options", "says"), BAD, ids=[" ".join(options) for options, _ in BAD])
def test_bad_input_ends_with_one_sentence_and_leaves_nothing(
    ready_store: str,  # noqa: ARG001 - made
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    options: list[str],
    says: str,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]  # nobody listens there
    (tmp_path / "notes.db").write_text("these are my notes, and nothing else " * 100, encoding="utf-8")
    words = [word.replace("{port}", str(port)) for word in options]
    monkeypatch.setattr("sys.argv", ["cnnexp", "tune", "--fraction", "0.2", "--jobs", "1", *words])
    begin = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        main()
    output = capfd.readouterr().err
    assert ended.value.code == 2, output
    assert time.monotonic() - begin < 10
    assert re.search(says if ".*" in says else re.escape(says), " ".join(output.split())), output
    assert "Traceback" not in output
    assert not runs_of()
    assert not _studies(tmp_path / "optuna.db")


def _studies(file: Path) -> list[str]:
    if not file.exists():
        return []
    with sqlite3.connect(file) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "studies" not in tables:
            return []
        return [name for (name,) in connection.execute("SELECT study_name FROM studies")]
