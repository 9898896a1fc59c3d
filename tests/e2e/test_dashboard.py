"""optuna-dashboard opens the storage of a study."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.studies import finished, storage_in, trials_of, tune, write_model

START_SECONDS = 60


def asked(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def studies_at(address: str, process: subprocess.Popen[bytes], log: Path) -> Any:
    """What the dashboard lists, once it is up."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            return asked(f"{address}/api/studies")
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.1)


def test_optuna_dashboard_shows_the_study_and_its_trials(ready_store: str, tmp_path: Path) -> None:  # noqa: ARG001 - made
    pytest.importorskip("optuna_dashboard", reason="not installed: pip install 'cnnexp[dashboard]'")
    write_model()
    finished(tune("--space", "width", "--space", "lr", "--trials", "3", "--jobs", "1"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address, log = f"http://127.0.0.1:{port}", tmp_path / "dashboard.log"
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), storage_in()]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=output, stderr=output
        )
    try:
        (study,) = studies_at(address, process, log)["study_summaries"]
        assert (study["study_name"], study["directions"]) == ("s", ["maximize"])
        shown = asked(f"{address}/api/studies/{study['study_id']}")["trials"]
    finally:
        process.terminate()
        process.wait(timeout=10)
    trials = trials_of(storage_in())
    assert [(one["number"], one["state"]) for one in shown] == [(t.number, "Complete") for t in trials]
    assert [one["values"] for one in shown] == [trial.values for trial in trials]
    assert {parameter["name"] for one in shown for parameter in one["params"]} == {"width", "lr"}
