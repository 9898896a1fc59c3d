"""What the tests of whole studies share: a model that can be held, and ways to look at a study."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.trial import FrozenTrial, TrialState

from cnnexp.tuning.storage import open_storage
from tests.warm import SECONDS, Process, finish, kill_group, start

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

# Trains in a blink. While a file `hold` exists that says k, a process waits in the first batch of the k-th
# network that it trains (and of later ones), and a file `held-<pid>` says that it does.
MODEL = """
import os
import time
from pathlib import Path
from typing import Annotated, Literal

import cnnexp
import torch
from cnnexp.settings import Choice
from torch import nn

trained = 0


class Held(nn.Sequential):
    is_new = True

    def forward(self, images):
        global trained
        if self.training and self.is_new:
            self.is_new = False
            trained += 1
            hold = Path("hold")
            if hold.exists() and trained >= int(hold.read_text()):
                Path(f"held-{os.getpid()}").touch()
                while hold.exists():
                    time.sleep(0.01)
        return super().forward(images)


class Fault(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, images):
        if self.kind == "raise" and self.training:
            raise ValueError("a fault of the model's own")
        return images * float("nan") if self.kind == "nan" else images


@cnnexp.register_model("held")
def held(
    spec: cnnexp.ImageSpec,
    *,
    width: Annotated[int, Choice((2, 4, 8, 16))] = 4,
    fault: Literal["none", "nan", "raise"] = "none",
):
    pixels = spec.channels * spec.height * spec.width
    layers = [nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, spec.num_classes)]
    return Held(nn.Flatten(), Fault(fault), *layers)
"""
QUICK = ["--model", "held", "--plugin", "held.py", "--fraction", "0.2", "--epochs", "2"]
QUICK += ["--figures", "none", "--log-model", "false", "--refit", "false", "--study", "s", "--threads", "1"]


def tune(*options: str) -> list[str]:
    """The command of a quick study; the model must lie in the folder."""
    return ["tune", *QUICK, *options]


def write_model(folder: Path | None = None) -> None:
    (folder or Path()).joinpath("held.py").write_text(MODEL, encoding="utf-8")


def finished(command: list[str], *, code: int = 0, folder: Path | None = None) -> str:
    """Runs a command to its end; returns what was said."""
    process = start(command, folder)
    output = finish(process)
    assert process.returncode == code, output
    return output


def wait_for(condition: Callable[[], bool], process: Process, *, every: float = 0.02) -> None:
    """Asks every so many seconds; where it does not happen nothing of the group is left behind."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            kill_group(process)
            raise AssertionError(f"it did not happen in time: {process.communicate()[0]}")
        time.sleep(every)


class Hold:
    """Holds the workers of this folder within a trial, from the k-th that each of them trains."""

    def __init__(self, from_trial: int = 1) -> None:
        Path("hold").write_text(str(from_trial), encoding="utf-8")

    def wait(self, workers: int, process: Process) -> list[int]:
        """Waits until so many are held; returns their process ids."""
        wait_for(lambda: len(list(Path().glob("held-*"))) >= workers, process)
        return [int(path.name.removeprefix("held-")) for path in Path().glob("held-*")]

    def release(self) -> None:
        Path("hold").unlink()


def storage_in(folder: Path | None = None) -> str:
    """URL of the storage that a command in this folder uses where none is given."""
    return f"sqlite:///{(folder or Path.cwd()) / 'optuna.db'}"


def trials_of(url: str, name: str = "s") -> list[FrozenTrial]:
    storage = open_storage(url, heartbeat=60)
    try:
        return optuna.load_study(study_name=name, storage=storage).get_trials()
    finally:
        storage.engine.dispose()


def num_finished(url: str) -> int:
    return sum(trial.state in FINISHED for trial in trials_of(url))


def is_finished(url: str, number: int) -> bool:
    return trials_of(url)[number].state.is_finished()


def record(trial: FrozenTrial) -> dict[str, Any]:
    found: dict[str, Any] = trial.user_attrs.get("cnnexp", {})
    return found


def counted(url: str) -> list[tuple[Any, ...]]:
    """What the trials found that count, by number."""
    return [
        (one.state.name, one.params, one.values, one.intermediate_values)
        for one in trials_of(url)
        if one.state in FINISHED
    ]


def runs_of(folder: Path | None = None) -> list[Run]:
    client = MlflowClient(f"sqlite:///{(folder or Path.cwd()) / 'mlflow.db'}")
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()]))


def children() -> list[Run]:
    return [run for run in runs_of() if run.data.tags["kind"] == "trial"]


def parent() -> Run:
    (run,) = [run for run in runs_of() if run.data.tags["kind"] == "study"]
    return run


def check_exact(url: str, wanted: int) -> None:
    """The study has exactly so many finished trials, each its run, and nothing is left open."""
    trials = trials_of(url)
    assert {one.state for one in trials} <= {*FINISHED, TrialState.FAIL}
    assert num_finished(url) == wanted
    assert parent().info.status == "FINISHED"
    runs = children()
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    by_id = {run.info.run_id: run for run in runs}
    for trial in trials:
        if trial.state in FINISHED:
            run = by_id[record(trial)["run_id"]]
            assert run.info.status == "FINISHED"
            assert run.data.tags["trial_state"] == trial.state.name
            assert run.data.tags["mlflow.parentRunId"] == parent().info.run_id
    assert sum(run.info.status == "FINISHED" for run in runs) == wanted
