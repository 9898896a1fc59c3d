"""What the tests of whole runs share: quick settings, and ways to look at a run and to break it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from cnnexp.experiment import Listener, Result
from cnnexp.training.events import EpochReport

QUICK: dict[str, Any] = {"epochs": 2, "fraction": 0.3, "figures": "none", "log_model": False}


def artifacts(run: Run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))


def runs_of(client: MlflowClient) -> list[Run]:
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()]))


def curve(result: Result) -> list[tuple[float, ...]]:
    return [(r.train_loss, r.train_accuracy, r.val_loss, r.val_accuracy, r.lr) for r in result.history]


class Crash(BaseException):
    """What no code expects."""


class Complaint(Listener):
    """Fails the test at the first note: the run was to go smoothly."""

    def note(self, sentence: str) -> None:
        raise Crash(sentence)


class StopAfter(Listener):
    """Ends the process's training like a crash: an exception between two epochs, or within one."""

    def __init__(self, epoch: int) -> None:
        self.epoch_number = epoch

    def epoch(self, report: EpochReport) -> None:
        if report.epoch == self.epoch_number:
            raise Crash("crash")
