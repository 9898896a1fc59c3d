"""A study whose workers run on a Dask cluster."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.e2e.studies import check_exact, children, finished, runs_of, storage_in, tune, write_model

pytest.importorskip("distributed")


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_model()


def test_two_workers_of_a_cluster_on_this_machine_finish_exactly_the_trials() -> None:
    finished(tune("--trials", "6", "--engine", "dask", "--workers", "2", "--space", "width", "--space", "lr"))
    check_exact(storage_in(), 6)
    owners = {run.data.tags["cnnexp.pid"] for run in children()}
    assert len(owners) == 2, "both workers trained"


def test_a_scheduler_that_is_away_is_said_and_no_run_is_left_running() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        said = finished(tune("--trials", "2", "--engine", "dask", "--cluster", address), code=2)
    assert f"the Dask scheduler {address!r} does not answer" in said
    assert "Traceback" not in said
    assert "RUNNING" not in {run.info.status for run in runs_of()}


def test_a_cluster_without_its_engine_is_refused() -> None:
    said = finished(tune("--cluster", "tcp://127.0.0.1:8786"), code=2)
    assert "cluster" in said
    assert "needs --engine dask" in said
