"""Opens the storage of studies: sqlite made fit for several writers, or a database server.

Measured with Optuna 5.0: the first opening of an empty database by several processes fails most of the time,
on sqlite and PostgreSQL alike, so it is guarded by a lock; plain sqlite hands a queued trial to two workers,
so every transaction begins IMMEDIATE.
"""

from __future__ import annotations

import importlib.util
import socket
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import optuna
import sqlalchemy
from filelock import FileLock
from filelock import Timeout as LockTimeout
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from cnnexp.errors import UserError

FILE_NAME = "optuna.db"
MISSED_BEATS = 3  # a worker that has missed so many is dead
_LOCK_SECONDS = 120
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_LOCK_NUMBER = 0x636E6E  # "cnn": any constant that others are unlikely to lock by
_CONNECT_SECONDS = 5  # a server that takes longer is away
_TAKES_CONNECT_TIMEOUT = ("psycopg2", "psycopg", "pymysql", "mysqldb")
# What to install for a database whose driver the URL does not name.
_DRIVERS = {"postgresql": "'cnnexp[postgresql]'", "mysql": "pymysql, and write mysql+pymysql://…"}


OnStale = Callable[[Study, FrozenTrial], None]


class StudyError(UserError):
    """A storage that cannot be used, or a study that is not what it should be."""


def storage_url(asked: str | None, tracking_uri: str) -> str:
    """Returns the URL of the storage, absolute: the one asked for, else `optuna.db` beside a sqlite store.

    Raises:
        StudyError: it is no URL of a database.
    """
    if asked is None:
        folder = Path.cwd()
        if tracking_uri.startswith("sqlite:"):
            folder = Path(make_url(tracking_uri).database or "").absolute().parent
        return f"sqlite:///{folder / FILE_NAME}"
    try:
        url = make_url(asked)
    except SQLAlchemyError as error:
        raise StudyError(
            f"storage {asked!r} is not a database: give sqlite:///FILE, postgresql://… or mysql://…."
        ) from error
    if url.get_backend_name() != "sqlite":
        return asked
    if not url.database or url.database == ":memory:":
        raise StudyError(f"storage {asked!r} keeps nothing: give sqlite:///FILE.")
    return URL.create("sqlite", database=str(Path(url.database).absolute())).render_as_string()


def is_missing(url: str) -> bool:
    """Tells whether there is no storage yet: a look must not make one."""
    parts = make_url(url)
    return parts.get_backend_name() == "sqlite" and not Path(str(parts.database)).is_file()


@contextmanager
def opened_first(url: str) -> Iterator[None]:
    """Held while a storage or a study is made that must be made once.

    Raises:
        StudyError: the storage cannot be reached, or another process holds it for two minutes.
    """
    with storage_errors(url):
        parts = make_url(url)
        if parts.get_backend_name() == "sqlite":
            file = Path(str(parts.database))
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(file.with_name(f"{file.name}.lock"), timeout=_LOCK_SECONDS):
                yield
            return
        _knock(url)
        engine = sqlalchemy.create_engine(_with_driver(parts), connect_args=_connect_args(parts))
        try:
            with engine.connect() as connection:
                _lock(connection)  # ends with the connection
                yield
        finally:
            engine.dispose()


def open_storage(url: str, *, heartbeat: int, on_stale: OnStale | None = None) -> RDBStorage:
    """Opens a storage; call it inside `opened_first` where it may be empty.

    Args:
        url: of the database.
        heartbeat: seconds between two signs of life of a running trial.
        on_stale: told once of each trial whose worker has died; by whichever process finds it.

    Raises:
        StudyError: it cannot be opened.
    """
    parts = make_url(url)
    is_sqlite = parts.get_backend_name() == "sqlite"
    with storage_errors(url), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat: measured, and pinned
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # what trials do is said by us
        storage = RDBStorage(
            _with_driver(parts).render_as_string(hide_password=False),
            engine_kwargs={"connect_args": _connect_args(parts), "pool_pre_ping": not is_sqlite},
            heartbeat_interval=heartbeat,
            grace_period=MISSED_BEATS * heartbeat,
            heartbeat_stale_trial_callback=on_stale,
        )
        if is_sqlite:
            _for_many_writers(storage)
    return storage


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turns what databases raise into one sentence.

    Raises:
        StudyError: names the storage and why.
    """
    name = hidden(url)
    try:
        yield
    except LockTimeout as error:
        raise StudyError(
            f"another process has held {error.lock_file} for {_LOCK_SECONDS} s: end it, or choose another "
            "--storage."
        ) from error
    except ModuleNotFoundError as error:
        driver = _DRIVERS.get(make_url(url).drivername, str(error.name))
        raise StudyError(f"storage {name} needs a driver: pip install {driver}.") from error
    except (SQLAlchemyError, OSError, RuntimeError) as error:
        why = " ".join(str(error).split("\n[SQL")[0].split())[:300].rstrip(". ")
        raise StudyError(
            f"storage {name} cannot be used: {why}; start it, mend it, or choose another --storage."
        ) from error


def hidden(url: str) -> str:
    """Returns the URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _knock(url: str) -> None:
    """Says within seconds that a database server is away; drivers would wait for minutes."""
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname and port:
        socket.create_connection((parts.hostname, port), timeout=_CONNECT_SECONDS).close()


def _with_driver(url: URL) -> URL:
    """Returns the URL with the installed one of PostgreSQL's drivers; SQLAlchemy's own choice varies."""
    if url.drivername != "postgresql":
        return url
    installed = (name for name in ("psycopg2", "psycopg") if importlib.util.find_spec(name))
    return url.set(drivername=f"postgresql+{next(installed, 'psycopg2')}")


def _connect_args(url: URL) -> dict[str, object]:
    """Returns how long a driver waits: for the lock of a sqlite file, or for a server to answer at all."""
    if url.get_backend_name() == "sqlite":
        return {"timeout": 60}
    driver = _with_driver(url).get_dialect().driver
    return {"connect_timeout": _CONNECT_SECONDS} if driver in _TAKES_CONNECT_TIMEOUT else {}


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:number)"), {"number": _LOCK_NUMBER})
    elif connection.dialect.name in ("mysql", "mariadb"):
        connection.execute(sqlalchemy.text("SELECT GET_LOCK('cnnexp', :wait)"), {"wait": _LOCK_SECONDS})


def _for_many_writers(storage: RDBStorage) -> None:
    """WAL, and transactions that take the write lock at once; with plain sqlite two workers pop one trial."""

    @event.listens_for(storage.engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # sqlalchemy's own BEGIN below, not the driver's
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("PRAGMA synchronous=normal")
        connection.execute("PRAGMA busy_timeout=60000")

    @event.listens_for(storage.engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()  # the connection that was opened before the hooks
