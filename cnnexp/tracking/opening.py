"""Opens the tracking store: which one, in which state, and safely when several processes come at once."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cnnexp.errors import TrackingError
from cnnexp.tracking.blank_store import copy_blank, keep_blank
from cnnexp.tracking.environment import without_passwords
from cnnexp.tracking.quiet import quiet_mlflow

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
_LOCK_SECONDS = 120  # making a store takes 2 to 6 s; several processes may wait their turn

# What a user has not set is set before mlflow is imported, for this process and those it starts.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # "Creating initial MLflow database tables" is no news
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # we print the run's page ourselves
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # it would draw over ours
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # MLflow's 7 make a dead server a silence of four minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; MLflow's own is 120
}
# Two tries of 3 s: with the import of mlflow (1 to 2 s) a silent server is said well within 10 s.
_WHILE_OPENING = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "3"}

_BRIEF = 300  # characters of somebody else's message that a sentence of ours can carry
_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that answers.

    Attributes:
        uri: absolute, so that a change of the working folder changes nothing.
        client: asks this very store.
        lock_file: guards what only one process may do at a time; None where the store does that itself.
    """

    uri: str
    client: MlflowClient
    lock_file: Path | None

    def lock(self) -> AbstractContextManager[object]:
        """Held while something is made that must be made once."""
        return nullcontext() if self.lock_file is None else _locked(self.lock_file)


class NoStoreError(TrackingError):
    """A local store that nobody has written to yet."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"No store at {file} yet; `cnnexp train` makes it with its first run.")


def open_client(tracking_uri: str | None, *, make: bool = True) -> Opened:
    """Opens a store; a local one is made when missing.

    Raises:
        NoStoreError: it is missing and not to be made.
        TrackingError: it cannot be opened; the sentence says why, and what to do.
    """
    _set_defaults()
    uri = _resolve(tracking_uri)
    file = _sqlite_file(uri)
    if file is not None and not (make or file.exists()):
        raise NoStoreError(file)
    if file is not None:
        return _open_sqlite(file)
    _refuse_files(uri)
    _knock(uri)
    impatience = {name: value for name, value in _WHILE_OPENING.items() if _is_default(name)}
    way_out = "start it, or choose another --tracking-uri"
    action = f"the tracking store {without_passwords(uri)} does not answer ({way_out})"
    with _environment(impatience), tracking_errors(action):
        return Opened(uri=uri, client=_answering_client(uri), lock_file=None)


def import_mlflow() -> None:
    """Imports what opening a database store imports, for processes that will be forked from this one."""
    _set_defaults()
    with quiet_mlflow():
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def _set_defaults() -> None:
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def absolute_uri(uri: str) -> str:
    """Returns the URI that means the same store from every working folder.

    Raises:
        TrackingError: a sqlite URI that names no file.
    """
    file = _sqlite_file(uri)
    return uri if file is None else _sqlite_uri(file)


@contextmanager
def tracking_errors(action: str) -> Iterator[None]:
    """Turns what MLflow and the system raise into one sentence.

    Raises:
        TrackingError: `<action>: <why>`.
    """
    with quiet_mlflow():
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:  # ImportError: database driver
        raise TrackingError(f"{action}: {brief(error)}.") from error


def brief(error: BaseException) -> str:
    """Returns the telling part of an error's text, in one line, without passwords."""
    text = str(error).split("\n[SQL")[0]
    text = re.sub(r"^API request to \S+ failed with exception ", "", text)
    text = " ".join(text.split()).rstrip(". ")
    return without_passwords(text if len(text) <= _BRIEF else f"{text[:_BRIEF]}…") or type(error).__name__


def _resolve(tracking_uri: str | None) -> str:
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        return uri
    here = Path.cwd()
    if not (here / "mlflow.db").exists() and any(_old_experiments(here / "mlruns")):
        raise TrackingError(
            f"{here / 'mlruns'} is an MLflow file store, which MLflow no longer writes: bring its runs along "
            "with `mlflow migrate-filestore --source . --target sqlite:///mlflow.db`, or start a new store "
            "beside it with --tracking-uri sqlite:///mlflow.db."
        )
    return f"{_SQLITE}{here / 'mlflow.db'}"


def _old_experiments(mlruns: Path) -> Iterator[Path]:
    return (file for file in mlruns.glob("*/meta.yaml") if file.parent.name.isdigit())


def _refuse_files(uri: str) -> None:
    scheme = urlsplit(uri).scheme
    if scheme in ("", "file") or len(scheme) == 1:  # a bare path; one letter is a Windows drive
        raise TrackingError(
            f"tracking URI {uri!r} names a folder or file, which MLflow no longer writes: "
            f"give sqlite:///PATH/mlflow.db or http://HOST:PORT."
        )


def _is_default(name: str) -> bool:
    return os.environ.get(name) == _DEFAULTS[name]


def _knock(uri: str) -> None:
    """Says at once that a database server is away; MLflow would try for 100 s."""
    port = _DATABASE_PORTS.get(urlsplit(uri).scheme.partition("+")[0])
    if port is None or urlsplit(uri).hostname is None:
        return
    host, port = str(urlsplit(uri).hostname), urlsplit(uri).port or port
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        raise TrackingError(
            f"the tracking store {without_passwords(uri)} is away ({brief(error)}): start it, or choose "
            "another --tracking-uri."
        ) from error


def _sqlite_file(uri: str) -> Path | None:
    """Returns the file of a sqlite store, absolute; None for other stores.

    Raises:
        TrackingError: the URI names no file.
    """
    if not uri.startswith("sqlite:"):
        return None
    from sqlalchemy import make_url  # mlflow reads the URI with it, percent signs and all; comes with mlflow

    name = make_url(uri).database
    if not name or name == ":memory:":
        raise TrackingError(f"tracking URI {uri!r} keeps nothing: give sqlite:///PATH/mlflow.db.")
    return Path(name).absolute()


def _sqlite_uri(file: Path) -> str:
    """Unquoted where that reads back as the same file: mlflow makes a stray folder for quoted blanks."""
    from sqlalchemy import URL, make_url

    uri = f"{_SQLITE}{file}"
    if make_url(uri).database == str(file):
        return uri
    return URL.create("sqlite", database=str(file)).render_as_string()


def _open_sqlite(file: Path) -> Opened:
    _check_access(file)
    uri = _sqlite_uri(file)
    lock_file = file.with_name(f"{file.name}.lock")
    with tracking_errors(f"the tracking store {file} cannot be opened"), _locked(lock_file):
        is_new = not file.exists() or file.stat().st_size == 0
        is_copied = is_new and copy_blank(file)
        if not is_new:
            _check_content(file, uri)
        _write_ahead(file)
        client = _answering_client(uri)
        if is_new and not is_copied:
            keep_blank(file)
        return Opened(uri=uri, client=client, lock_file=lock_file)


def _check_access(file: Path) -> None:
    """Says at once what sqlite says after 100 s of retries."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingError(f"the folder of tracking store {file} cannot be made: {brief(error)}.") from error
    way_out = "make it writable, or choose another store with --tracking-uri sqlite:///PATH/mlflow.db."
    if file.exists() and not os.access(file, os.R_OK | os.W_OK):
        raise TrackingError(f"the tracking store {file} cannot be written: {way_out}")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise TrackingError(f"the folder {file.parent} of the tracking store cannot be written: {way_out}")


def _check_content(file: Path, uri: str) -> None:
    """Refuses a database of another program or another MLflow; MLflow would change some of them unasked."""
    import mlflow

    try:
        revision = _revision_of(file)
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"{file} is not an MLflow store ({error}): move it away, or choose another --tracking-uri."
        ) from error
    known, head = _revisions(Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions")
    if revision in (None, head):
        return
    if revision in known:
        raise TrackingError(
            f"the tracking store {file} was written by an older MLflow (schema {revision}): "
            f"keep a copy of it, then run `mlflow db upgrade {uri}`."
        )
    raise TrackingError(
        f"the tracking store {file} was written by a newer MLflow than the installed {mlflow.__version__} "
        f"(schema {revision}): install that version, or choose another --tracking-uri."
    )


def _revision_of(file: Path) -> str | None:
    """Returns the schema's revision; None for a database without any table.

    Raises:
        sqlite3.DatabaseError: it is no database, or has tables but no revision.
    """
    connection = sqlite3.connect(file, timeout=20)
    try:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
    finally:
        connection.close()


def _revisions(folder: Path) -> tuple[frozenset[str], str]:
    """Returns every schema revision that the installed MLflow knows, and the newest.

    Read from the text of the migrations: asking alembic imports all of them (0.3 s).
    """
    texts = [file.read_text(encoding="utf-8") for file in folder.glob("*.py")]
    find = re.compile(r'^(down_)?revision = "(\w+)"', flags=re.MULTILINE)
    found = [(bool(down), revision) for text in texts for down, revision in find.findall(text)]
    known = {revision for is_down, revision in found if not is_down}
    (head,) = known - {revision for is_down, revision in found if is_down}
    return frozenset(known), head


def _write_ahead(file: Path) -> None:
    """Twice the writes per second with eight writers (measured); the database remembers it for ever."""
    connection = sqlite3.connect(file, timeout=1)
    try:
        # A reader may hold the old mode just now: then the next opening sets it.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=wal")
    finally:
        connection.close()


def _answering_client(uri: str) -> MlflowClient:
    """Making the client makes the store, for a database: several processes must do it one after another."""
    with quiet_mlflow():
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def _locked(lock_file: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock_file, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise TrackingError(
            f"another process has held {lock_file} for {_LOCK_SECONDS} s: end it, or choose another "
            "--tracking-uri."
        ) from error


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
