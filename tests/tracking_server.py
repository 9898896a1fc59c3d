"""A real tracking server of a test's own, which keeps the runs' files itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cnnexp.tracking.ui import reserved_port, ui_command, ui_environment, wait_for_ui

START_SECONDS = 90  # a first start on a slow machine


@contextmanager
def serving(database: Path, port: int = 5400) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serves a store, on that port where it is free; yields its address and its process."""
    log = database.with_name("server.log")
    with ExitStack() as stack:
        port = stack.enter_context(reserved_port(preferred=port))
        base = f"http://127.0.0.1:{port}"
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            ui_command(f"sqlite:///{database}", "127.0.0.1", port),
            cwd=database.parent,  # where it keeps files: the same when it is started again
            env=ui_environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        stack.callback(stop, process)
        assert wait_for_ui(base, START_SECONDS, process), log.read_text(encoding="utf-8")
        yield base, process


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and its worker, which share a process group of their own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
