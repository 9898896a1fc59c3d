from __future__ import annotations

import multiprocessing
import socket
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest

from cnnexp.tuning.storage import StudyError, hidden, open_storage, opened_first, storage_url

WORKERS, QUEUED = 4, 24


def test_the_storage_lies_beside_a_sqlite_store_and_else_in_the_working_folder(tmp_path: Path) -> None:
    assert storage_url(None, "sqlite:////data/runs/mlflow.db") == "sqlite:////data/runs/optuna.db"
    assert storage_url(None, "http://127.0.0.1:5000") == f"sqlite:///{tmp_path}/optuna.db"


def test_a_relative_file_becomes_absolute_for_workers_start_anywhere(tmp_path: Path) -> None:
    assert storage_url("sqlite:///studies/a.db", "x") == f"sqlite:///{tmp_path}/studies/a.db"
    assert storage_url("postgresql://me@db/studies", "x") == "postgresql://me@db/studies"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("optuna.db", "is not a database: give sqlite:///FILE, postgresql://… or mysql://…."),
        ("sqlite://", "keeps nothing: give sqlite:///FILE."),
        ("sqlite:///:memory:", "keeps nothing"),
    ],
)
def test_what_is_no_database_is_said(asked: str, says: str) -> None:
    with pytest.raises(StudyError) as caught:
        storage_url(asked, "x")
    assert says in str(caught.value)
    assert repr(asked) in str(caught.value)


def test_passwords_are_not_shown() -> None:
    assert hidden("postgresql://me:secret@db/studies") == "postgresql://me:***@db/studies"


def opening(url: str) -> None:
    with opened_first(url):
        open_storage(url, heartbeat=60).engine.dispose()


def test_a_server_that_is_away_is_said_within_seconds() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]  # nobody listens there
    begin = time.monotonic()
    with pytest.raises(
        StudyError, match=r"storage postgresql://me:\*\*\*@127.0.0.1:\d+/s cannot be used: .*refused"
    ):
        opening(f"postgresql://me:secret@127.0.0.1:{port}/s")
    assert time.monotonic() - begin < 3


def test_a_server_that_takes_the_call_and_is_silent_is_said_within_10_seconds() -> None:
    pytest.importorskip("psycopg2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        with pytest.raises(StudyError, match=r"cannot be used: .*time"):
            opening(f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/s")
        assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    ("scheme", "install"),
    [("postgresql", r"'cnnexp\[postgresql\]'"), ("mysql", "pymysql, and write mysql\\+pymysql")],
)
def test_a_missing_driver_is_named(scheme: str, install: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def refusing(name: str, *args: object, **options: object) -> object:
        if name.partition(".")[0] in ("psycopg2", "psycopg", "MySQLdb"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **options)  # type: ignore[arg-type]  # passed on

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(builtins, "__import__", refusing)
        with pytest.raises(StudyError, match=f"needs a driver: pip install {install}"):
            opening(f"{scheme}://me@127.0.0.1:{server.getsockname()[1]}/s")


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("these are my notes, and nothing else " * 100)
    with pytest.raises(StudyError, match=r"storage sqlite:///.*notes.db cannot be used: .*not a database"):
        opening(f"sqlite:///{tmp_path}/notes.db")


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    opening(f"sqlite:///{tmp_path}/new/deep/optuna.db")
    assert (tmp_path / "new/deep/optuna.db").is_file()


def test_what_is_done_while_a_storage_is_made_is_done_by_one_at_a_time(tmp_path: Path) -> None:
    url, inside, most = f"sqlite:///{tmp_path}/optuna.db", [0], [0]

    def enter() -> None:
        with opened_first(url):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_file_is_opened_for_many_writers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    opening(url)
    storage = open_storage(url, heartbeat=60)
    with storage.engine.connect() as connection:
        asked = ("journal_mode", "synchronous", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
        assert found == ["wal", 1, 60000]
        # The transaction has taken the write lock already.
        other = sqlite3.connect(tmp_path / "optuna.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    storage.engine.dispose()


def pop(url: str, barrier: threading.Barrier, found: multiprocessing.Queue[list[int]]) -> None:
    study = optuna.load_study(study_name="s", storage=open_storage(url, heartbeat=60))
    barrier.wait()
    numbers = []
    while (trial := study.ask()).number < QUEUED:
        numbers.append(trial.number)
    found.put(numbers)


def test_a_queued_trial_is_handed_to_one_of_several_processes_only(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    with opened_first(url):
        study = optuna.create_study(study_name="s", storage=open_storage(url, heartbeat=60))
    for number in range(QUEUED):
        study.enqueue_trial({"x": number})
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["cnnexp.tuning.storage"])
    barrier, found = made.Barrier(WORKERS), made.Queue()
    processes = [made.Process(target=pop, args=(url, barrier, found)) for _ in range(WORKERS)]
    for process in processes:
        process.start()
    popped = Counter(number for _ in processes for number in found.get(timeout=60))
    for process in processes:
        process.join()
    assert popped == Counter(range(QUEUED))
