"""Several seeds of one training: what their parent holds, and that a stopped one ends like an undisturbed."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from scipy import stats

import cnnexp
from cnnexp.errors import UserError
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.seeds_record import SeedsResult, rows_of, sentence_of
from cnnexp.settings import read_settings_file, resolve
from cnnexp.tracking.rows import children_of, read_row, rows_where
from cnnexp.tracking.store import open_store
from cnnexp.training.events import EpochReport, Status

TINY: dict[str, Any] = {"epochs": 2, "fraction": 0.2, "figures": "none", "log_model": False, "threads": 1}


class SignalAfter(Listener):
    """Sends this process a signal after so many epochs of all seeds."""

    def __init__(self, epochs: int, number: int = signal.SIGINT) -> None:
        self.left, self.number = epochs, number

    def epoch(self, report: EpochReport) -> None:  # noqa: ARG002 - the listener's signature
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def accuracies(result: SeedsResult) -> list[float]:
    return [row.metrics["test/accuracy"] for row in result.finished]


def test_the_parent_has_mean_spread_and_what_the_seeds_have_alike(ready_store: str) -> None:
    result = cnnexp.train_seeds(3, seed=5, **{**TINY, "figures": "standard"})
    store = open_store(ready_store)
    parent, children = read_row(store, result.run_id), children_of(store, result.run_id)
    assert parent.metrics["test/accuracy"] == pytest.approx(sum(accuracies(result)) / 3, rel=1e-5)
    losses = [row.metrics["test/loss"] for row in children]
    expected = stats.ttest_1samp(losses, 0).confidence_interval(0.95)
    assert parent.metrics["test/loss_low"] == pytest.approx(expected.low, rel=1e-5)
    assert parent.metrics["test/loss_high"] == pytest.approx(expected.high, rel=1e-5)
    assert parent.metrics["test/loss_sd"] > 0
    assert {"best/val_accuracy_sd", "test/macro_f1_low"} <= set(parent.metrics)
    assert (parent.tags["kind"], parent.status, parent.params["seeds"]) == ("seeds", "FINISHED", "3")
    assert parent.params["lr"] == "0.005"
    assert "seed" not in parent.params
    assert [one.params["seed"] for one in children] == ["5", "6", "7"]
    settings = resolve(read_settings_file(store.fetch(result.run_id, "settings.yaml")))
    assert (settings.training.seed, settings.training.epochs) == (5, 2)
    assert "--seeds 3" in parent.tags["mlflow.note.content"]
    assert "`test/accuracy_high`: here over seeds" in parent.tags["mlflow.note.content"]
    for name in ("plots/learning_curves.png", "seeds/table.csv", "seeds/table.md"):
        assert store.fetch(result.run_id, name).is_file()
    assert sentence_of(result).endswith("over 3 seeds)")
    assert len(rows_of(result)) == 4


def test_a_seed_trains_as_it_would_alone(ready_store: str) -> None:
    assert ready_store
    alone = cnnexp.train(seed=1, **TINY)
    result = cnnexp.train_seeds(2, **TINY)
    assert accuracies(result)[1] == pytest.approx(alone.metrics["test/accuracy"], rel=1e-5)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_stopped_seeds_go_on_and_end_as_if_they_had_not_been(ready_store: str, epochs: int) -> None:
    undisturbed = cnnexp.train_seeds(2, run_name="whole", **TINY)
    stopped = cnnexp.train_seeds(2, run_name="stopped", listener=SignalAfter(epochs), **TINY)
    store = open_store(ready_store)
    assert (stopped.outcome.status, stopped.outcome.exit_code) == (Status.INTERRUPTED, 130)
    assert not rows_where(store, "attributes.status = 'RUNNING'")
    assert read_row(store, stopped.run_id).status == "KILLED"
    resumed = cnnexp.train_seeds(resume="stopped")
    assert accuracies(resumed) == accuracies(undisturbed)
    assert len(children_of(store, stopped.run_id)) == 2
    assert read_row(store, stopped.run_id).status == "FINISHED"


def test_the_run_that_mlflow_has_opened_is_the_parent(
    ready_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(ready_store)
    opened = store.client.create_run(store.experiment_id("cnnexp")).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    result = cnnexp.train_seeds(2, **TINY)
    assert result.run_id == opened
    assert len(rows_where(store, "")) == 3
    assert read_row(store, opened).status == "FINISHED"


def test_bad_input_leaves_the_run_of_a_project_failed_and_opens_no_other(
    ready_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(ready_store)
    with pytest.raises(UserError, match="unknown model"):
        cnnexp.train_seeds(2, model="lenett")
    assert not rows_where(store, "")
    opened = store.client.create_run(store.experiment_id("cnnexp")).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    with pytest.raises(UserError, match="unknown model"):
        cnnexp.train_seeds(2, model="lenett")
    assert [row.status for row in rows_where(store, "")] == ["FAILED"]


@pytest.mark.usefixtures("ready_store")
def test_what_cannot_be_seeds_is_refused_in_one_sentence() -> None:
    for wrong in (0, 1, 1001, None):
        with pytest.raises(UserError, match="must be 2 to 1,000: one seed has no spread"):
            cnnexp.train_seeds(wrong, **TINY)
    cnnexp.train(run_name="single", **{**TINY, "epochs": 1})
    with pytest.raises(UserError, match="is not one of several seeds"):
        cnnexp.train_seeds(resume="single")
    cnnexp.train_seeds(2, run_name="done", **{**TINY, "epochs": 1})
    with pytest.raises(UserError, match="is complete: all 2 seeds"):
        cnnexp.train_seeds(resume="done")
    with pytest.raises(UserError, match="is of 2 seeds and stays so"):
        cnnexp.train_seeds(3, resume="done")


@pytest.mark.usefixtures("ready_store")
def test_resumed_seeds_keep_what_the_finished_ones_had() -> None:
    cnnexp.train_seeds(2, run_name="stopped", listener=SignalAfter(2), **TINY)
    with pytest.raises(UserError, match=r"epochs = 9 .* cannot change for some of the seeds"):
        cnnexp.train_seeds(resume="stopped", epochs=9)
    with pytest.raises(UserError, match=r"lr = 0\.1 .* cannot change"):
        cnnexp.train_seeds(resume="stopped", lr=0.1)
