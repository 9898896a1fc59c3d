"""A real PostgreSQL server of a test session's own: on loopback, its data below the temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

START_SECONDS = 60
_USER = "cnnexp"


@contextmanager
def serving() -> Iterator[str]:
    """Serves; yields the URL of the server without a database."""
    programs = _programs()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        as_user = _unprivileged(folder)
        data, log = folder / "data", folder / "log"
        initdb = [
            *as_user,
            str(programs / "initdb"),
            "-D",
            str(data),
            "-A",
            "trust",
            "-U",
            _USER,
            "--no-sync",
        ]
        made = subprocess.run(initdb, cwd=folder, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
        port = _free_port()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port), *options],
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C of the tests' user is not the server's
        )
        stack.callback(_stop, process)
        url = f"postgresql://{_USER}@127.0.0.1:{port}"
        _wait_for(url, process, log)
        yield url


def new_database(server: str) -> str:
    """Makes an empty database; returns its URL."""
    name = f"study_{uuid.uuid4().hex[:12]}"
    engine = _engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{server}/{name}"


def _engine(server: str, **options: Any) -> sqlalchemy.Engine:
    url = server.replace("postgresql:", "postgresql+psycopg2:")  # SQLAlchemy's own choice of a driver varies
    return sqlalchemy.create_engine(f"{url}/postgres", **options)


def _programs() -> Path:
    """Debian keeps the server's programs out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    on_path = shutil.which("initdb")
    folders = ([Path(on_path).parent] if on_path else []) + found
    if not folders:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    return folders[-1]


def _unprivileged(folder: Path) -> list[str]:
    """The server refuses to run as root; gives the folder to who runs it, and ends it with these tests."""
    if shutil.which("setpriv") is None:
        if os.geteuid() == 0:
            pytest.skip(
                "PostgreSQL refuses to run as root, and setpriv is not here to run it as another user"
            )
        return []
    command = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return command
    user = next(one for one in pwd.getpwall() if one.pw_name in ("postgres", "nobody"))
    os.chown(folder, user.pw_uid, user.pw_gid)
    return [*command, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    engine = _engine(url)
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            engine.connect().close()
        except OperationalError:
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        else:
            engine.dispose()
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # "fast": clients are not waited for
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
