from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from cnnexp.tracking.run import Run
from cnnexp.tracking.run_folder import RunFolder
from cnnexp.training.events import Outcome, Status


class FakeClient:
    """A remote store that can be away, and that remembers what it was asked and what it took."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.refused_metric = ""
        self.asked = 0
        self.taken: list[str] = []

    def _take(self, what: str) -> None:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        self.taken.append(what)

    def log_batch(self, _run_id: str, *, metrics: Any, params: Any, tags: Any, synchronous: bool) -> None:
        assert synchronous
        if any(metric.key == self.refused_metric for metric in metrics):
            raise MlflowException("no such name", INVALID_PARAMETER_VALUE)
        self._take("+".join([f"{m.key}@{m.step}" for m in metrics] + [item.key for item in (*params, *tags)]))

    def log_artifact(self, _run_id: str, path: str, folder: str | None) -> None:
        assert Path(path).is_file()
        self._take("/".join(filter(None, (folder, Path(path).name))))

    def update_run(self, _run_id: str, status: str) -> None:
        self._take(status)

    def set_terminated(self, _run_id: str, status: str, _time: int) -> None:
        self._take(status)


AWAY = MlflowException("API request to http://h failed with exception connection refused", INTERNAL_ERROR)
ENDED = "cnnexp.status+cnnexp.reason+cnnexp.finished"
DONE = Outcome(Status.COMPLETED, "3 epochs")


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


def opened(client: FakeClient, folder: Path, problems: list[str], *, is_local: bool = False) -> Run:
    folder.mkdir(exist_ok=True)
    info = SimpleNamespace(run_id="r1", run_name="lenet", experiment_id="1")
    run: Any = SimpleNamespace(info=info, data=SimpleNamespace(params={}, metrics={}, tags={}))
    store: Any = client
    return Run(store, run, folder=RunFolder("r1", folder, is_local=is_local), on_problem=problems.append)


@pytest.fixture
def run(client: FakeClient, tmp_path: Path, problems: list[str]) -> Run:
    """A run of the remote store."""
    return opened(client, tmp_path / "r1", problems)


def unsent(run: Run) -> list[dict[str, Any]]:
    lines = (run.folder / "unsent.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_store_that_goes_away_is_told_once_and_not_asked_again(
    client: FakeClient, run: Run, problems: list[str]
) -> None:
    run.log_epoch(1, {"loss": 0.5})
    client.fault = AWAY
    for epoch in range(2, 6):
        run.log_epoch(epoch, {"loss": 0.4})
    run.log_text("table", "epochs.csv")
    assert client.asked == 2
    assert len(problems) == 1
    assert "training goes on" in problems[0]
    assert "connection refused" in problems[0]
    assert [operation["kind"] for operation in unsent(run)] == ["batch"] * 4 + ["artifact"]
    assert (run.folder / "epochs.csv").read_text(encoding="utf-8") == "table"


def test_backlog_is_delivered_at_the_end_in_order(client: FakeClient, run: Run, problems: list[str]) -> None:
    client.fault = AWAY
    run.log_epoch(1, {"loss": 0.5})
    run.log_text("table", "data/epochs.csv")
    run.set_tags({"kind": "run"})
    client.fault = None
    run.log_epoch(2, {"loss": 0.4})
    assert client.taken == []  # nothing is tried before the end
    run.finish(DONE)
    assert client.taken == [
        "loss@1",
        "data/epochs.csv",
        "kind",
        "loss@2",
        ENDED,
        "FINISHED",
    ]
    assert not run.folder.exists()
    assert len(problems) == 1


def test_a_file_that_grows_is_uploaded_once_when_the_run_ends(client: FakeClient, run: Run) -> None:
    for table in ("one", "one two"):
        run.log_text(table, "epochs.csv", upload=False)
        assert (run.folder / "epochs.csv").read_text(encoding="utf-8") == table
    assert client.asked == 0
    run.finish(DONE)
    assert client.taken.count("epochs.csv") == 1


def test_what_cannot_be_delivered_at_the_end_stays_on_disk(client: FakeClient, run: Run) -> None:
    client.fault = AWAY
    run.log_epoch(1, {"loss": 0.5})
    run.log_text("table", "epochs.csv")
    asked = client.asked
    run.finish(DONE)
    assert client.asked == asked + 1  # one try
    assert [operation["kind"] for operation in unsent(run)] == ["batch", "artifact", "batch", "end"]
    assert unsent(run)[0]["metrics"][0][:2] == ["loss", 0.5]
    assert (run.folder / "epochs.csv").is_file()


def test_backlog_that_is_partly_taken_keeps_the_rest_in_order(
    client: FakeClient, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.fault = AWAY
    for epoch in (1, 2, 3):
        run.log_epoch(epoch, {"loss": 0.5})
    client.fault = None
    take = client._take

    def until_second(what: str) -> None:
        if what == "loss@2":
            client.fault = AWAY
        take(what)

    monkeypatch.setattr(client, "_take", until_second)
    run.finish(DONE)
    assert client.taken == ["loss@1"]
    assert [operation["metrics"][0][3] for operation in unsent(run)[:2]] == [2, 3]


def test_refused_operation_does_not_hold_up_the_others(
    client: FakeClient, run: Run, problems: list[str]
) -> None:
    client.refused_metric = "bad%name"
    run.log_epoch(1, {"bad%name": 1.0})
    run.log_epoch(1, {"loss": 0.5})
    run.finish(DONE)
    assert client.taken == ["loss@1", ENDED, "FINISHED"]
    assert len(unsent(run)) == 1
    assert len(problems) == 1


def test_resumed_run_sends_what_its_past_could_not_but_not_its_end(
    client: FakeClient, run: Run, problems: list[str]
) -> None:
    client.fault = AWAY
    run.log_epoch(1, {"loss": 0.5})
    run.finish(DONE)
    with (run.folder / "unsent.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"kind": "batch", "met')  # the disk was full
    client.fault = None
    opened(client, run.folder, problems).take_up({"cnnexp.status": "running"})
    assert client.taken == ["RUNNING", "loss@1", ENDED, "cnnexp.status+cnnexp.folder"]
    assert not (run.folder / "unsent.jsonl").exists()


def test_what_is_kept_behind_a_torn_line_is_not_lost(
    client: FakeClient, run: Run, problems: list[str]
) -> None:
    client.fault = AWAY
    run.log_epoch(1, {"loss": 0.5})
    with (run.folder / "unsent.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"kind": "batch", "met')  # the disk was full
    run.log_epoch(2, {"loss": 0.4})
    client.fault = None
    opened(client, run.folder, problems).take_up({})
    assert client.taken[:3] == ["RUNNING", "loss@1", "loss@2"]


def test_file_that_is_rewritten_while_the_store_is_away_is_sent_once(client: FakeClient, run: Run) -> None:
    client.fault = AWAY
    for epoch in range(3):
        run.log_text(f"epoch {epoch}", "last.json")
    assert len(unsent(run)) == 1


def test_remote_folder_goes_when_all_of_it_is_delivered(client: FakeClient, run: Run) -> None:
    run.log_text("one", "a.txt")
    (run.folder / "checkpoint.safetensors").write_bytes(
        b"weights"
    )  # written by training, published by nobody
    run.finish(DONE)
    assert client.taken == ["a.txt", "checkpoint.safetensors", ENDED, "FINISHED"]
    assert not run.folder.exists()


def test_file_is_sent_again_only_where_it_has_changed(client: FakeClient, run: Run) -> None:
    run.log_text("one", "a.txt")
    run.log_text("one", "b.txt")
    os.utime(run.folder / "b.txt", ns=(1, 1))
    run.finish(DONE)
    assert client.taken[:3] == ["a.txt", "b.txt", "b.txt"]


def test_sign_from_the_keyboard_is_not_swallowed(client: FakeClient, run: Run) -> None:
    client.fault = KeyboardInterrupt()  # type: ignore[assignment] # what Ctrl-C raises within any call
    with pytest.raises(KeyboardInterrupt):
        run.log_epoch(1, {"loss": 0.5})


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a small disk without a byte left."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a small disk needs root and a machine that lets it mount")
    with (folder / "filler").open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(b"x" * 4096)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_is_told_once_and_training_goes_on(
    client: FakeClient, full_disk: Path, problems: list[str]
) -> None:
    run = opened(client, full_disk, problems, is_local=True)
    for epoch in range(3):
        run.log_text("x" * 9000, f"{epoch}.txt")
    assert len(problems) == 1
    assert "No space left" in problems[0]
    client.fault = AWAY  # a database on the same disk
    run.log_epoch(1, {"loss": 0.5})
    run.log_epoch(2, {"loss": 0.4})
    assert len(problems) == 2
    client.fault = None
    run.finish(DONE)  # memory has kept what the disk could not
    assert client.taken[:2] == ["loss@1", "loss@2"]
    assert sorted(file.name for file in full_disk.iterdir()) == ["filler"]
