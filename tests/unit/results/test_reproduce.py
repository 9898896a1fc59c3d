from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import cnnexp
from cnnexp.cli import cli
from cnnexp.errors import DataError, TrackingError, UserError
from cnnexp.experiment import Listener, Result
from cnnexp.results.evaluate import evaluate
from cnnexp.results.recorded import find_recorded
from cnnexp.results.reproduce import reproduce
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import open_store
from cnnexp.training.checkpoint import BEST, tensors_digest
from cnnexp.training.events import EpochReport, Outcome, Status

QUICK: dict[str, Any] = {
    **{"dataset": "digits", "model": "convnet", "epochs": 3, "fraction": 0.3},
    **{"augment": "flip", "schedule": "cosine", "figures": "none", "log_model": False, "threads": 1},
}
pytestmark = pytest.mark.usefixtures("ready_store")


class Notes(Listener):
    """Keeps what was said; stops the process's training after an epoch if asked to."""

    def __init__(self, stop_after: int = 0) -> None:
        self.said: list[str] = []
        self.stop_after = stop_after

    def note(self, sentence: str) -> None:
        self.said.append(sentence)

    def epoch(self, report: EpochReport) -> None:
        if report.epoch == self.stop_after:
            os.kill(os.getpid(), signal.SIGINT)


def file_of(run_id: str, path: str) -> Path:
    return find_recorded(open_store(), run_id).file(path)


def edit_epochs(result: Result, epoch: int, name: str, value: str) -> None:
    """Writes another number into a run's table of epochs."""
    table = file_of(result.run_id, "epochs.csv")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[epoch - 1][name] = value
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_run_that_is_trained_again_is_identical_and_says_so_in_its_record() -> None:
    result = cnnexp.train(**QUICK)
    notes = Notes()
    found = reproduce(result.run_id, listener=notes)
    assert found.is_identical
    assert found.exit_code == 0
    assert found.comparison.left_out == []
    assert "3 epochs of 5 numbers, 108 test predictions, the best weights, the last weights" in found.finding
    assert (found.changes, notes.said) == ((), [])
    tags = MlflowClient().get_run(found.run_id).data.tags
    assert tags["reproduces"] == result.run_id
    assert tags["reproduction"] == found.finding


def test_a_finished_reproduction_is_not_changed_any_more_and_is_a_look_at_the_test_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = cnnexp.train(**QUICK)
    ended: list[Any] = []
    finish = Run.finish

    def finish_and_see(run: Run, outcome: Outcome) -> None:
        finish(run, outcome)
        ended.append(MlflowClient().get_run(run.id).to_dictionary())

    monkeypatch.setattr(Run, "finish", finish_and_see)
    found = reproduce(result.run_id)
    assert MlflowClient().get_run(found.run_id).to_dictionary() == ended[0]
    assert ended[0]["data"]["tags"]["look"] == "2"
    assert "look number 3" in evaluate(result.run_id).notes[-1]
    again = reproduce(result.run_id, epochs=1)
    assert MlflowClient().get_run(again.run_id).data.tags["look"] == "4"


def test_an_interrupted_reproduction_goes_on_and_comes_out_the_same() -> None:
    result = cnnexp.train(**QUICK)
    stopped = reproduce(result.run_id, listener=Notes(stop_after=2))
    assert (stopped.exit_code, stopped.is_identical) == (130, False)
    found = reproduce(result.run_id, listener=(notes := Notes()))
    assert found.is_identical
    assert notes.said == [f"goes on with run {found.run_id[:8]}, which was interrupted"]
    runs = MlflowClient().search_runs(["1"], f"tags.reproduces = '{result.run_id}'")
    assert [(run.info.run_id, run.info.status) for run in runs] == [(found.run_id, "FINISHED")]


def test_an_interrupted_reproduction_is_left_where_something_has_changed_since() -> None:
    result = cnnexp.train(**QUICK)
    begun = reproduce(result.run_id, listener=Notes(stop_after=2))
    packages = file_of(begun.run_id, "environment/packages.json")
    packages.write_text(json.dumps({**json.loads(packages.read_text()), "torch": "1.0"}))
    found = reproduce(result.run_id)
    assert found.is_identical
    assert found.run_id != begun.run_id


def test_a_reproduction_that_cannot_be_compared_is_a_finished_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = cnnexp.train(**{**QUICK, "epochs": 1})

    def away(*_: object, **__: object) -> None:
        raise TrackingError("the store is away")

    monkeypatch.setattr("cnnexp.results.reproduce.compare_runs", away)
    with pytest.raises(TrackingError, match="store is away"):
        reproduce(result.run_id)
    (run, _) = MlflowClient().search_runs(["1"], order_by=["attributes.start_time DESC"])
    assert (run.info.status, run.data.tags["reproduces"]) == ("FINISHED", result.run_id)


def test_the_first_number_that_differs_is_named_with_its_epoch() -> None:
    result = cnnexp.train(**QUICK)
    edit_epochs(result, 2, "val_loss", "0.5")
    edit_epochs(result, 3, "train_loss", "0.5")
    found = reproduce(result.run_id)
    assert not found.is_identical
    assert found.exit_code == 1
    difference = found.comparison.difference
    assert difference is not None
    assert (difference.epoch, difference.what) == (2, "val_loss")
    assert f"0.5 then, {result.history[1].val_loss!r} now" in found.finding
    assert "nothing that was recorded has changed" in found.reason
    tags = MlflowClient().get_run(found.run_id).data.tags
    assert tags["reproduction"] == f"{found.finding}. Likely reason: {found.reason}"
    assert reproduce(result.run_id, epochs=1).is_identical  # what lies behind is not looked at


def test_changed_versions_are_said_first_and_are_the_likely_reason() -> None:
    result = cnnexp.train(**QUICK)
    packages = file_of(result.run_id, "environment/packages.json")
    packages.write_text(json.dumps({**json.loads(packages.read_text()), "torch": "1.0"}))
    machine = file_of(result.run_id, "environment/machine.json")
    machine.write_text(json.dumps({**json.loads(machine.read_text()), "cpu": "Z80"}))
    notes = Notes()
    assert reproduce(result.run_id, epochs=1, listener=notes).is_identical
    assert [line.split(":")[0] for line in notes.said] == [
        "not as it was, versions",
        "not as it was, CPU model",
    ]
    assert f"torch 1.0 then, {version('torch')} now" in notes.said[0]
    edit_epochs(result, 1, "train_loss", "0.5")
    assert reproduce(result.run_id, epochs=1).reason.startswith("other versions: torch 1.0 then")


def test_weights_and_predictions_are_compared_when_every_epoch_is_the_same() -> None:
    result = cnnexp.train(**QUICK)
    best = file_of(result.run_id, BEST)
    other = cnnexp.train(**{**QUICK, "seed": 3})
    kept = best.read_bytes()
    shutil.copy(file_of(other.run_id, BEST), best)
    found = reproduce(result.run_id)
    assert found.comparison.difference is not None
    assert found.comparison.difference.what == "weights"
    assert tensors_digest(best) in found.finding
    best.write_bytes(kept)
    predictions = file_of(result.run_id, "test/predictions.csv")
    lines = predictions.read_text().splitlines()
    lines[5] = ",".join([*lines[5].split(",")[:3], "0.123456"])
    predictions.write_text("\n".join(lines) + "\n")
    found = reproduce(result.run_id)
    image = lines[5].split(",")[0]
    assert f"1 of 108 test predictions, the first of image {image}" in found.finding
    assert "0.123456 then" in found.finding


def test_an_interrupted_run_is_held_against_as_many_epochs_as_it_has() -> None:
    result = cnnexp.train(**QUICK, listener=Notes(stop_after=2))
    assert result.outcome.status is Status.INTERRUPTED
    found = reproduce(result.run_id)
    assert found.is_identical
    assert "2 epochs" in found.finding
    assert found.comparison.left_out == ["test predictions (the run has none: it did not come so far)"]


def test_a_run_with_a_time_limit_ends_after_the_epochs_it_had() -> None:
    result = cnnexp.train(**QUICK, max_time="0.001s")
    assert len(result.history) == 1
    found = reproduce(result.run_id)
    assert found.is_identical
    assert found.comparison.left_out == []


def test_a_run_that_went_on_with_more_epochs_parts_at_its_learning_rate() -> None:
    first = cnnexp.train(**{**QUICK, "epochs": 1})
    cnnexp.train(resume=first.run_id, epochs=3)
    found = reproduce(first.run_id)
    assert found.comparison.difference is not None
    assert found.comparison.difference.what == "lr"
    assert "--resume" in found.reason


def test_an_interrupted_reproduction_says_how_far_it_was_identical() -> None:
    result = cnnexp.train(**QUICK)
    found = reproduce(result.run_id, listener=Notes(stop_after=1))
    assert not found.is_identical
    assert found.exit_code == 130
    assert found.finding == "identical so far, bit for bit: 1 epoch of 5 numbers"


def test_changed_data_are_refused_unless_they_are_wanted() -> None:
    result = cnnexp.train(**QUICK)
    facts = file_of(result.run_id, "data/dataset.json")
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "digest": "sha256:0"}))
    runs = len(MlflowClient().search_runs(["1"]))
    with pytest.raises(DataError, match=r"not what they were: digest sha256:0 then, .*--anyway"):
        reproduce(result.run_id)
    assert len(MlflowClient().search_runs(["1"])) == runs
    found = reproduce(result.run_id, anyway=True, epochs=1)
    assert found.is_identical  # here the digest alone was another
    assert found.changes[-1].kind == "data"


def test_bad_input_of_a_reproduction_is_one_sentence() -> None:
    result = cnnexp.train(**{**QUICK, "epochs": 1})
    with pytest.raises(UserError, match=r"--epochs 2: run .* has epochs 1 to 1"):
        reproduce(result.run_id, epochs=2)
    file_of(result.run_id, "epochs.csv").unlink()
    with pytest.raises(UserError, match="has no epoch to compare with"):
        reproduce(result.run_id)
    MlflowClient().set_tag(result.run_id, "kind", "trial")
    with pytest.raises(UserError, match=r"trial of a study.*--from-trial"):
        reproduce(result.run_id)


def test_the_command_ends_with_the_code_of_diff(capsys: pytest.CaptureFixture[str]) -> None:
    result = cnnexp.train(**{**QUICK, "epochs": 1})
    edit_epochs(result, 1, "val_accuracy", "2.0")
    with pytest.raises(SystemExit) as ended:
        cli.main(["reproduce", "last", "--quiet"], prog_name="cnnexp")
    assert ended.value.code == 1
    assert "not identical: epoch 1, val_accuracy: 2.0 then" in capsys.readouterr().out
