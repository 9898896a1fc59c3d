"""`cnnexp ui` as a process: how it ends, and that no server stays. A small server stands in for MLflow's."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from tests.warm import Command

pytestmark = pytest.mark.usefixtures("ready_store")

BEFORE = """
import sys
from cnnexp.tracking import ui
ui.ui_command = lambda store, host, port: [sys.executable, *{server}, str(port)]
"""
Running = tuple[Command, psutil.Process]
HEALTHY = ["-m", "http.server", "--bind", "127.0.0.1"]
SLOW = f"""
import runpy, sys, time
time.sleep(3)
sys.argv[1:1] = {HEALTHY[2:]}
runpy.run_module("http.server", run_name="__main__")
"""


@pytest.fixture(autouse=True)
def _health(tmp_path: Path) -> None:
    (tmp_path / "health").touch()  # /health is what `cnnexp ui` asks for


def start(server: list[str], port: int | None, *options: str) -> Command:
    where = [] if port is None else ["--port", str(port)]
    words = ["ui", "--no-browser", *where, *options]
    return Command(words, Path.cwd(), dict(os.environ), BEFORE.format(server=server))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def printed_page(process: Command) -> str:
    """The address that is printed once the page answers."""
    said: list[str] = []
    for line in process.lines():
        if line == "Ctrl-C ends it.":
            return said[-1]
        said.append(line)
    pytest.fail("\n".join(said))


@pytest.fixture
def running() -> Iterator[Running]:
    """The command and its server, once the page answers."""
    port = free_port()
    process = start(HEALTHY, port)
    assert f"http://127.0.0.1:{port}/#/experiments/" in printed_page(process)
    (server,) = psutil.Process(process.pid).children()
    yield process, server
    process.kill()
    if server.is_running():
        server.kill()


def output(process: Command) -> str:
    try:
        return process.communicate(timeout=30)[0]
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_ends_the_ui_ends_its_server_too(running: Running, number: signal.Signals) -> None:
    process, server = running
    process.send_signal(number)
    said = output(process)
    assert process.returncode == 0, said
    assert not server.is_running()


def test_a_server_that_ends_by_itself_is_said(running: Running) -> None:
    process, server = running
    server.kill()
    assert "Error: MLflow's UI ended by itself (code -9)" in output(process)
    assert process.returncode == 2


def test_a_server_that_does_not_start_is_said_at_once() -> None:
    since = time.monotonic()
    process = start(["-c", "raise SystemExit('no such store')"], free_port())
    said = output(process)
    assert process.returncode == 2
    assert "no such store" in said  # its own words
    assert "Error: MLflow's UI did not answer on http://127.0.0.1:" in said
    assert time.monotonic() - since < 60  # not the two minutes that a slow start gets


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = start(HEALTHY, port)
        said = output(process)
    assert process.returncode == 2
    assert said.startswith(f"Error: port {port} is in use; leave --port out, or use --port ")
    assert said.count("\n") == 1


def test_two_that_are_started_at_once_take_two_ports() -> None:
    both = [start(["-c", SLOW], None) for _ in range(2)]
    try:
        pages = [printed_page(process) for process in both]
    finally:
        for process in both:
            process.send_signal(signal.SIGTERM)
        said = [output(process) for process in both]
    assert all(page.startswith("http://127.0.0.1:5") for page in pages), (pages, said)
    assert len(set(pages)) == 2


def test_an_experiment_that_is_not_there_is_not_made(ready_store: str) -> None:
    client = MlflowClient(ready_store)
    client.create_experiment("animals")
    said = output(start(HEALTHY, None, "--experiment", "animal"))
    assert said.startswith("Error: no experiment 'animal' in this store; did you mean 'animals'?")
    assert {one.name for one in client.search_experiments()} == {"Default", "animals"}


def test_the_ui_opens_at_a_study_and_knows_those_there_are(ready_store: str) -> None:
    client = MlflowClient(ready_store)
    mine = client.create_experiment("mine")
    for kind in ("study", "trial"):
        client.create_run(mine, tags={"kind": kind, "study": "it's a/b"})
    said = output(start(HEALTHY, None, "--study", "it is a/b"))
    assert said == (
        "Error: no study 'it is a/b' in this store; did you mean \"it's a/b\"? Studies: it's a/b.\n"
    )
    process = start(HEALTHY, free_port(), "--study", "it's a/b")
    page = printed_page(process)
    process.send_signal(signal.SIGTERM)
    output(process)
    assert f"/#/experiments/{mine}/runs?" in page
    assert page.endswith("viewStateShareKey=cnnexp-study-it_s_a_b")
