"""One server and one Chromium for all browser tests: three real runs, and the pages as a user sees them."""

from __future__ import annotations

import os
import shutil
import signal
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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("this machine has no Chromium")
    with playwright.sync_playwright() as driver:
        browser: Browser = driver.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def runs(
    chromium: Browser,  # noqa: ARG001 - without a browser nothing need be trained
    tmp_path_factory: pytest.TempPathFactory,
    _empty_store: Path,
) -> list[cnnexp.Result]:
    """Three finished runs of one store, in the order they were made."""
    import torch

    here = tmp_path_factory.mktemp("browser")
    shutil.copy(_empty_store, here)
    quick: dict[str, Any] = {"epochs": EPOCHS, "fraction": 0.5, "threads": 1}
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("CNNEXP_CACHE_DIR", str(here / "cache"))
        results = [
            cnnexp.train(dataset="digits", tracking_uri=f"sqlite:///{here}/mlflow.db", **quick, **run)
            for run in RUNS
        ]
    torch.set_num_threads(threads)
    return results


@dataclass(frozen=True, slots=True)
class Served:
    """`cnnexp ui` while it runs."""

    address: str  # as it was printed
    terminal: Path

    @property
    def base(self) -> str:
        return self.address.partition("/#")[0]


@pytest.fixture(scope="module")
def served(runs: list[cnnexp.Result], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The runs' store, served by the command that the end of a training names."""
    from cnnexp.tracking.ui import free_port

    terminal = tmp_path_factory.mktemp("ui") / "terminal.txt"
    port = str(free_port(preferred=5500))  # away from a user's own
    command = [sys.executable, "-m", "cnnexp", "ui", "--no-browser", "--port", port]
    settings = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with terminal.open("w") as file:
        process = subprocess.Popen(
            [*command, "--tracking-uri", runs[0].tracking_uri],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=settings,
        )
    try:
        yield Served(_printed_address(process, terminal), terminal)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, terminal.read_text()
        assert not [child for child in children if child.is_running()], "a server is left behind"
    finally:
        process.terminate()


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
def visit(chromium: Browser) -> Visits:
    return Visits(chromium)
