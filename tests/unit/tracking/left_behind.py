"""Runs of which a store has not got everything, and clients that let nothing through or die."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR
from torch import nn

from cnnexp.tracking.run import Run
from cnnexp.tracking.run_folder import RunFolder
from cnnexp.tracking.store import Store
from cnnexp.training.events import Outcome, Status

DONE = Outcome(Status.COMPLETED, "2 epochs")
AWAY = MlflowException("connection refused", INTERNAL_ERROR)


class AwayClient:
    """Stands before a client, and lets nothing through."""

    def __getattr__(self, name: str) -> Any:
        raise AWAY


class Killed(BaseException):
    """What nothing catches, as a process that is killed catches nothing."""


class DyingClient:
    """Stands before a client, and dies when so many of its writes have arrived: nobody could note the last.

    Args:
        client: that takes the writes.
        after: how many.
    """

    WRITES = frozenset(
        {
            *("log_batch", "log_artifact", "log_inputs", "log_outputs", "set_terminated", "set_tag"),
            *("create_logged_model", "log_model_artifacts", "finalize_logged_model"),
        }
    )

    def __init__(self, client: Any, after: int) -> None:
        self.client, self.left = client, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if name not in self.WRITES:
            return method

        def write(*given: Any, **named: Any) -> Any:
            answer = method(*given, **named)
            self.left -= 1
            if self.left == 0:
                raise Killed
            return answer

        return write


def remote(store: Store, run_id: str, folder: Path, client: Any = None) -> Run:
    """A run whose files lie in `folder` and are uploaded, as with a server."""
    folder.mkdir(parents=True, exist_ok=True)
    place = RunFolder(run_id, folder, is_local=False)
    return Run(client or store.client, store.client.get_run(run_id), folder=place, on_problem=lambda _: None)


def left_behind(store: Store, experiment: str, *, ends: bool = True, model: bool = False) -> Run:
    """A run of which nothing but its creation has reached the store."""
    made = store.create_run(experiment, run_name="lenet")
    run = remote(store, made.id, Path("cnnexp-runs") / made.id, AwayClient())
    run.log_params({"model": "lenet"})
    run.log_epoch(1, {"val/loss": 0.5})
    run.log_epoch(2, {"val/loss": 0.25})
    run.log_text("table", "data/epochs.csv")
    run.log_dataset("digits", "sha256:0", "here", "training")
    if model:
        example = np.zeros((2, 4), np.uint8)
        log_tiny_model(run, example)
        run.log_model_input(_logged_model(store, experiment))
    if ends:
        run.finish(DONE)
    return run


def _logged_model(store: Store, experiment: str) -> str:
    """A model of another run."""
    return str(store.client.create_logged_model(experiment, name="another").model_id)


def log_tiny_model(run: Run, example: Any) -> None:
    """Saves a network of one layer as the run's model."""

    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, images: Any) -> Any:
            return self.layer(images.float())

    run.log_model(
        Tiny().eval(),
        name="model",
        example=example,
        class_names=("a", "b"),
        params={},
        metrics={"test/accuracy": 0.5},
        step=2,
    )


def give_to(store: Store, run: Run, **tags: str) -> None:
    """Says that another process owns the run."""
    for name, value in tags.items():
        store.client.set_tag(run.id, f"cnnexp.{name}", value)


def gone_process() -> dict[str, str]:
    """The tags of a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {"pid": str(process.pid), "pid_started": "1.00"}


def history(store: Store, run_id: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in store.client.get_metric_history(run_id, "val/loss")]


def files(store: Store, run_id: str, folder: str | None = None) -> list[str]:
    return [info.path for info in store.client.list_artifacts(run_id, folder)]
