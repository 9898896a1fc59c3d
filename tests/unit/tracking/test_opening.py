from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cnnexp.errors import TrackingError
from cnnexp.tracking.store import Store, open_store

OPEN = "from cnnexp.tracking.store import open_store; print(open_store(None).experiment_id('cnnexp'))"


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody can write to; root needs a file system for that."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("root writes anywhere, and this machine does not let it mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def revision(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_default_store_is_the_one_that_a_bare_mlflow_ui_opens(database: Path) -> None:
    import mlflow

    assert open_store(None).uri == f"sqlite:///{database}" == mlflow.get_tracking_uri()


def test_argument_wins_over_variable_and_variable_over_default(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"sqlite:///{shutil.copy(database, tmp_path / 'other.db')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    assert open_store(None).uri == other
    assert open_store("sqlite:///mlflow.db").uri == f"sqlite:///{database}"


def test_folder_with_blanks_accents_and_signs_is_one_folder(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "meine Bilder é 100% #1"
    folder.mkdir()
    database.rename(folder / "mlflow.db")
    store = open_store(f"sqlite:///{folder}/mlflow.db")
    assert store.experiment_id("cnnexp")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir() and path.name != "cache") == [
        folder.name
    ]


def test_writers_do_not_block_readers(store: Store, database: Path) -> None:
    assert store.uri
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_usage_reporting_is_off_unless_the_user_turns_it_on(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.exists()
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
    open_store(None)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    open_store(None)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"


def test_four_processes_open_a_fresh_store_at_once(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    results = [(process.communicate(timeout=120), process.returncode) for process in started]
    assert [code for _, code in results] == [0, 0, 0, 0], results
    assert {output for (output, _), _ in results} == {"1\n"}  # one experiment, not four


@pytest.mark.usefixtures("store")  # mlflow is imported already
def test_server_that_is_away_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for uri in (f"http://127.0.0.1:{port}", f"postgresql://me:secret@127.0.0.1:{port}/mlflow"):
        start = time.monotonic()
        with pytest.raises(TrackingError, match=f"127.0.0.1:{port}") as caught:
            open_store(uri)
        assert time.monotonic() - start < 8  # MLflow's own patience: 247 s and 102 s
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("store")
def test_silent_server_is_said_within_ten_seconds() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(TrackingError, match="does not answer"):
            open_store(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - start < 10


def test_unwritable_folder_is_said_at_once(read_only_folder: Path) -> None:
    start = time.monotonic()
    with pytest.raises(TrackingError, match="cannot be written"):
        open_store(f"sqlite:///{read_only_folder}/mlflow.db")
    with pytest.raises(TrackingError, match="cannot be made"):
        open_store(f"sqlite:///{read_only_folder}/new/mlflow.db")
    assert time.monotonic() - start < 10  # sqlite alone: 101 s


def test_unwritable_database_is_said_at_once(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        os, "access", lambda path, _mode: Path(path) != database
    )  # root may write to any file
    with pytest.raises(TrackingError, match=r"mlflow\.db cannot be written: make it writable"):
        open_store(None)


def test_store_of_an_older_mlflow_stays_as_it_is_and_the_upgrade_is_named(database: Path) -> None:
    change(database, "UPDATE alembic_version SET version_num = '451aebb31d03'")  # MLflow 0.9
    change(database, "DROP TABLE logged_model_params")  # MLflow would migrate unasked
    with pytest.raises(TrackingError, match=rf"older MLflow .*`mlflow db upgrade sqlite:///{database}`"):
        open_store(None)
    assert revision(database) == "451aebb31d03"


def test_store_of_a_newer_mlflow_is_said(database: Path) -> None:
    change(database, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(TrackingError, match="newer MLflow than the installed"):
        open_store(None)


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text(
        "no database at all, but long enough to look like one" * 40, encoding="utf-8"
    )
    with pytest.raises(TrackingError, match="is not an MLflow store"):
        open_store(None)
    other = tmp_path / "photos.db"
    change(other, "CREATE TABLE photos (name TEXT)")
    with pytest.raises(TrackingError, match="is not an MLflow store"):
        open_store(f"sqlite:///{other}")


def test_old_file_store_is_named_with_both_ways_out(tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").touch()
    with pytest.raises(
        TrackingError, match=r"mlflow migrate-filestore .* --tracking-uri sqlite:///mlflow\.db"
    ):
        open_store(None)
    assert not (tmp_path / "mlflow.db").exists()


def test_old_file_store_beside_a_database_does_no_harm(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").touch()
    assert open_store(None).uri == store.uri


@pytest.mark.parametrize(
    "uri", ["mlruns", "/there/mlruns", "file:///there/mlruns", "sqlite://", "sqlite:///:memory:"]
)
def test_uri_that_cannot_keep_runs_is_refused_with_one_that_can(uri: str) -> None:
    with pytest.raises(TrackingError, match=r"sqlite:///PATH/mlflow\.db"):
        open_store(uri)


def test_unknown_scheme_is_one_sentence() -> None:
    with pytest.raises(TrackingError, match="htp://") as caught:
        open_store("htp://localhost")
    assert "\n" not in str(caught.value)
