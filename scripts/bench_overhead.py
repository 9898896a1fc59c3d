"""One run, tracked or not, in a process that has its imports and a store: prints its seconds as JSON."""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import cnnexp
from cnnexp.experiment import run as experiment
from cnnexp.tracking.store import open_store

IMPORTED = ("mlflow.pytorch", "mlflow.models", "torch.export._trace", "cnnexp.figures")


class NoRun:
    """A run that records nothing; checkpoints still have their folder."""

    id = name = experiment_id = uri = "none"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def close_dead_runs(self) -> list[str]:
        """As a store: none."""
        return []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands for any method
        return lambda *_args, **_kwargs: None


def main(tracked: bool, settings: dict[str, Any]) -> None:
    """Trains once."""
    for module in IMPORTED:
        importlib.import_module(module)
    store = open_store(None)
    store.experiment_id("cnnexp")
    if not tracked:
        settings |= {"figures": "none", "log_model": False}
        nothing: Any = NoRun(Path.cwd())
        mock.patch.object(experiment, "open_store", return_value=nothing).start()
        mock.patch.object(experiment, "_open_run", return_value=nothing).start()
    start = time.perf_counter()
    result = cnnexp.train(**settings)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "training_seconds": sum(one.seconds for one in result.history)}))


if __name__ == "__main__":
    main(sys.argv[1] == "tracked", json.loads(sys.argv[2]))
