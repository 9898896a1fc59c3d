"""Starts MLflow's own web page on a store, and knows its addresses."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from cnnexp.errors import TrackingError
from cnnexp.tracking.environment import user_name
from cnnexp.tracking.views import BEST, run_path, runs_path

_PORTS = 200  # that are tried, one after the other
# Browsers refuse these ports (ERR_UNSAFE_PORT) though the system gives them away.
_UNSAFE_PORTS = frozenset({5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080})


def is_server(store_uri: str) -> bool:
    """True where the store is a tracking server, which shows its own page."""
    return store_uri.startswith(("http://", "https://"))


def ui_command(store_uri: str, host: str, port: int) -> list[str]:
    """Returns the command that serves MLflow's page on that very store, with the Python that runs now.

    Files of runs need no option: the store knows where each experiment keeps them. One worker is enough for
    one reader and starts in 24 s where four take 30. It says what goes wrong, not every request.
    """
    stores = ["--backend-store-uri", store_uri, "--registry-store-uri", store_uri]
    address = ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    return [sys.executable, "-m", "mlflow", "server", *stores, *address]


def ui_environment() -> dict[str, str]:
    """Returns the environment for `ui_command`: ours, without usage reporting and job workers (4 s)."""
    wanted = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",  # MLflow's own affair
    }
    return {**wanted, **os.environ}


def ui_page(base: str, experiment_id: str, view: str = BEST) -> str:
    """Returns the address of an experiment's runs in a saved view, ready to compare."""
    return base.rstrip("/") + runs_path(experiment_id, view)


def run_page(base: str, experiment_id: str, run_id: str) -> str:
    """Returns the address of a run's page."""
    return base.rstrip("/") + run_path(experiment_id, run_id)


def ui_address(host: str, port: int) -> str:
    """Returns where a browser of this machine finds a server that listens on a host's port."""
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # these two listen everywhere
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


@contextmanager
def reserved_port(host: str = "127.0.0.1", preferred: int = 5000) -> Iterator[int]:
    """Yields the first free port from `preferred` on that a browser will open, and keeps it meanwhile.

    MLflow's server takes its port some 20 s after it is started: without a lock, another one that is started
    in that time would be given the same.

    Raises:
        TrackingError: none of 200 ports is free, or the host is not this machine's.
    """
    from filelock import FileLock, Timeout

    if not _is_free(host, 0):
        raise TrackingError(f"--host {host}: this machine cannot listen there; 127.0.0.1 is this machine.")
    for port in range(preferred, preferred + _PORTS):
        if port in _UNSAFE_PORTS or not _is_free(host, port):
            continue
        lock = FileLock(Path(tempfile.gettempdir()) / f"cnnexp-ui-{user_name()}-{port}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield port
        finally:
            lock.release()
        return
    raise TrackingError(
        f"no free port from {preferred} to {preferred + _PORTS - 1} on {host!r}; name one with --port."
    )


def wait_for_ui(base: str, seconds: float, process: Popen[bytes] | None = None) -> bool:
    """Waits until the page answers.

    Args:
        base: `http://127.0.0.1:5000`.
        seconds: the longest to wait; a first start on a slow machine takes up to 70.
        process: the server; waiting ends when it does.

    Returns:
        Whether it answered.
    """
    import requests

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        try:
            if requests.get(f"{base.rstrip('/')}/health", timeout=2).ok:
                return True
        except requests.RequestException:
            pass  # not up yet
        time.sleep(0.2)
    return False


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
