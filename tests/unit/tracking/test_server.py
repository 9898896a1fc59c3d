from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnexp.tracking.store import open_store
from cnnexp.training.events import Outcome, Status
from tests.tracking_server import serving, stop


@pytest.fixture
def server(database: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with serving(database) as running:
        yield running


def test_training_goes_on_when_the_server_is_killed_and_all_is_kept(
    server: tuple[str, subprocess.Popen[bytes]], problems: list[str]
) -> None:
    base, process = server
    store = open_store(base)
    run = store.create_run(store.experiment_id("cnnexp"), on_problem=problems.append)
    run.log_params({"model": "lenet"})
    run.log_text("epochs: 3\n", "settings.yaml")
    run.log_epoch(1, {"val/accuracy": 0.5})
    assert run.folder == Path.cwd() / "cnnexp-runs" / run.id
    assert [info.path for info in store.client.list_artifacts(run.id)] == ["settings.yaml"]
    (run.folder / "settings.yaml").unlink()
    assert run.fetch("settings.yaml").read_text(encoding="utf-8") == "epochs: 3\n"

    done = store.create_run(run.experiment_id)
    done.log_text("all delivered", "notes.txt")
    done.finish(Outcome(Status.COMPLETED, "1 epoch"))
    assert not done.folder.exists()
    assert store.client.get_run(done.id).info.status == "FINISHED"
    assert [info.path for info in store.client.list_artifacts(done.id)] == ["notes.txt"]

    stop(process)
    start = time.monotonic()
    for epoch in range(2, 40):
        run.log_epoch(epoch, {"val/accuracy": 0.6})
    run.log_text("table", "epochs.csv")
    assert time.monotonic() - start < 15  # the first call finds out, the others do not ask
    run.finish(Outcome(Status.COMPLETED, "39 epochs"))
    assert len(problems) == 1
    assert "\n" not in problems[0]
    lines = (run.folder / "unsent.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 41  # 38 epochs, the table, the outcome, the end
    assert (run.folder / "epochs.csv").is_file()
