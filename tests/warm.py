"""`python -m cnnexp …` as a process that has imported the libraries already.

The imports of a command take some seconds of a core, and its workers take them again: most of what a test of
a command would cost. Here multiprocessing's server of forks imports them once per test process, and a command
is a fork of it. In everything else it is a process like any other: an id and a group of its own, signals
that kill, stop and interrupt it, and the folder, environment and output that it is given; the workers of a
study are forks of a server of the command's own, in its group.

What a fork cannot show (the imports themselves, the true start and end) is shown by tests that start a
command cold.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver, util
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARIES = [
    "alembic.command",
    "cnnexp.cli.runs",
    "cnnexp.cli.study_terminal",
    "cnnexp.cli.sweep",
    "cnnexp.cli.terminal",
    "cnnexp.cli.train",
    "cnnexp.cli.tune",
    "cnnexp.tuning.preload",
    "cnnexp.tuning.worker",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "rich.progress",
    "scipy.stats",
    "sklearn.datasets",
    "sqlalchemy.dialects.sqlite",
    "torch._dynamo",  # an optimizer imports it
]
SECONDS = 240


def start(words: Sequence[str], folder: Path | None = None, *, cold: bool = False) -> Process:
    """Starts a command as the head of a process group of its own, as a shell does.

    Args:
        words: of the command line, after `cnnexp`.
        folder: that it works in; None: this one.
        cold: whether it is `python -m cnnexp`, as a user starts it.
    """
    environment = {**os.environ, "COLUMNS": "400"}
    if not cold:
        return Command(words, folder or Path.cwd(), environment)
    return subprocess.Popen(
        [sys.executable, "-m", "cnnexp", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )


def finish(process: Process, seconds: float = SECONDS) -> str:
    """Waits for the end and returns what was said; nothing of the group is left behind."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill_group(process)
        output, _ = process.communicate()
        raise AssertionError(f"not finished after {seconds} s: {output}") from None
    return output


def kill_group(process: Process) -> None:
    """Kills a command and its workers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def end_all() -> None:
    """Ends what a test that failed has left behind."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            kill_group(process)
            process.wait()


class Command:
    """A running command; what the tests use of `subprocess.Popen`, standard error within the output.

    Args:
        words: of the command line, after `cnnexp`.
        folder: that it works in.
        environment: of the process.
        before: Python code that is run first, in its process.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, environment: dict[str, str], before: str = ""
    ) -> None:
        made = multiprocessing.get_context("forkserver")
        made.set_forkserver_preload(LIBRARIES)
        self.args = list(words)
        self._reader, writer = made.Pipe(duplex=False)
        self._process = made.Process(target=_run, args=(self.args, str(folder), environment, writer, before))
        self._process.start()
        writer.close()
        self._output = ""
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        _started.append(self)

    @property
    def pid(self) -> int:
        """Id of the process, and of its group."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code; minus the signal's number where one ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end of the process itself."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Waits until nobody can write any more; returns what was said."""
        self._listening.join(timeout)
        if self._listening.is_alive():
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(timeout)
        return self._output, None

    def send_signal(self, number: int) -> None:
        """Sends a signal to the process alone, if it lives."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills the process alone."""
        self.send_signal(signal.SIGKILL)

    def lines(self) -> Iterator[str]:
        """Yields what is said, line by line, to the end."""
        seen = 0
        while self._listening.is_alive() or seen < len(self._output):
            found, newline, _ = self._output[seen:].partition("\n")
            if newline:
                seen += len(found) + 1
                yield found
            else:
                self._listening.join(0.02)

    def _listen(self) -> None:
        with open(self._reader.fileno(), encoding="utf-8", closefd=False) as stream:
            for line in stream:
                self._output += line
        self._reader.close()


def _run(words: list[str], folder: str, environment: dict[str, str], output: Connection, before: str) -> None:
    """The life of a command, in its process."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background inherit "ignored"
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    from cnnexp import cli

    sys.path.insert(0, folder)
    sys.argv = [str(Path(cli.__file__).parents[1] / "__main__.py"), *words]
    sys.modules["__main__"] = ModuleType("__main__")  # else workers would import pytest, which it was
    util.spawnv_passfds = _fork_of_this  # type: ignore[assignment]
    exec(before, {})
    cli.main()


def _fork_of_this(path: bytes, arguments: Sequence[Any], kept: Sequence[int]) -> int:
    """What `spawnv_passfds` does, but the server of workers is a fork of this process, with all libraries."""
    code = arguments[-1]
    if "multiprocessing.forkserver" not in str(code) or threading.active_count() > 1:
        return _spawn(path, arguments, kept)
    pid = os.fork()
    if pid:
        return pid
    with contextlib.suppress(SystemExit):
        for low, high in zip([2, *sorted(kept)], [*sorted(kept), os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(low + 1, high)  # a server that holds the pipe of its clients would never end
        forkserver._forkserver._lock = threading.Lock()  # type: ignore[attr-defined]  # held while it is started
        exec(code, {})
    os._exit(0)


Process = Command | subprocess.Popen[str]
_started: list[Command] = []
_spawn = util.spawnv_passfds
