"""One server and one Chromium for all browser tests: three real runs, and the pages as a user sees them.

What a module adds to the store lies in an experiment of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import cnnexp

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EPOCHS = 3
TERMINAL = "terminal.txt"
# Of these three, neither the first nor the last is the best: no order of time can pass for best first.
RUNS: tuple[dict[str, Any], ...] = (
    {"model": "lenet"},
    {"model": "mlp", "model_args": {"hidden": [64]}, "lr": 0.01, "log_model": False},
    {"model": "convnet", "batch_size": 64, "log_model": False},
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# At a first visit MLflow opens its assistant over a quarter of the page.
NO_ASSISTANT = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("this machine has no Chromium")
    with playwright.sync_playwright() as driver:
        browser: Browser = driver.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def here(
    chromium: Browser,  # noqa: ARG001 - without a browser there is nothing to do
    tmp_path_factory: pytest.TempPathFactory,
    _empty_store: Path,
) -> Path:
    """A folder with an empty store."""
    folder = tmp_path_factory.mktemp("browser")
    shutil.copy(_empty_store, folder)
    return folder


@pytest.fixture(scope="session")
def ui(here: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command that the end of a training names; it starts while the runs are made."""
    with socket.socket() as probe:  # a port that nobody else picks: not a user's 5000, not another worker's
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "cnnexp", "ui", "--no-browser", "--port", port]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with (here / TERMINAL).open("w") as file:
        was = signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # in the background Ctrl-C is ignored, and inherited
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=here)
        signal.signal(signal.SIGINT, was)
    try:
        yield process
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, (here / TERMINAL).read_text()
        assert not [child for child in children if child.is_running()], "a server is left behind"
    finally:
        process.terminate()


@pytest.fixture(scope="session")
def runs(
    here: Path,
    ui: subprocess.Popen[bytes],  # noqa: ARG001 - so that it starts first
) -> list[cnnexp.Result]:
    """Three finished runs of one store, in the order they were made."""
    quick: dict[str, Any] = {"epochs": EPOCHS, "fraction": 0.5, "threads": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("CNNEXP_CACHE_DIR", str(here / "cache"))
        return [
            cnnexp.train(dataset="digits", tracking_uri=f"sqlite:///{here}/mlflow.db", **quick, **run)
            for run in RUNS
        ]


@dataclass(frozen=True, slots=True)
class Served:
    """`cnnexp ui` while it runs."""

    address: str  # as it was printed
    terminal: Path

    @property
    def base(self) -> str:
        return self.address.partition("/#")[0]


@pytest.fixture(scope="session")
def served(
    here: Path,
    ui: subprocess.Popen[bytes],
    runs: list[cnnexp.Result],  # noqa: ARG001 - first the runs
) -> Served:
    terminal = here / TERMINAL
    return Served(_printed_address(ui, terminal), terminal)


def _printed_address(process: subprocess.Popen[bytes], terminal: Path) -> str:
    while process.poll() is None:  # the command itself gives up after two minutes
        for line in terminal.read_text().splitlines():
            if line.startswith("http"):
                return line
        time.sleep(0.2)
    pytest.fail(f"`cnnexp ui` ended: {terminal.read_text()}")


@dataclass(slots=True)
class Visits:
    """Pages by address, each loaded once, and what they asked for."""

    browser: Browser
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    pages: dict[str, Page] = field(default_factory=dict)

    def __call__(self, address: str, *, height: int = 800) -> Page:
        """Opens a page, 1,400 pixels wide; charts below the window's edge are not drawn."""
        if address not in self.pages:
            page = self.browser.new_page(viewport={"width": 1400, "height": height})
            page.set_default_timeout(60_000)
            page.add_init_script(NO_ASSISTANT)
            page.on("request", lambda request: self.requests.append(request.url))
            page.on("pageerror", lambda error: self.errors.append(f"{address}: {error}"))
            page.goto(address)
            self.pages[address] = page
        return self.pages[address]


@pytest.fixture(scope="module")
def visit(chromium: Browser) -> Iterator[Visits]:
    made = Visits(chromium)
    yield made
    for page in made.pages.values():  # open pages go on computing beside later tests
        page.close()
