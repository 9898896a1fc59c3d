from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cnnexp.cache_folder import cache_folder
from cnnexp.tracking.blank_store import copy_blank, keep_blank
from cnnexp.tracking.store import open_store


def kept() -> Path:
    (file,) = (cache_folder() / "stores").iterdir()
    return file


def test_a_kept_store_has_the_tables_and_nothing_of_the_folder_it_came_from(ready_store: str) -> None:
    store = open_store(ready_store)
    store.experiment_id("mine")
    keep_blank(Path("mlflow.db"))
    assert str(Path.cwd()).encode() not in kept().read_bytes()
    assert copy_blank(Path("copy.db"))
    with closing(sqlite3.connect("copy.db")) as connection:
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (0,)


def test_a_store_made_from_the_kept_one_keeps_its_files_in_its_own_folder(
    ready_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(ready_store)
    keep_blank(Path("mlflow.db"))
    other = Path("other").absolute()
    other.mkdir()
    monkeypatch.chdir(other)
    client = open_store().client
    assert [one.name for one in client.search_experiments()] == ["Default"]
    run = client.create_run("0")
    assert run.info.artifact_uri.removeprefix("file://").startswith(str(other))


def test_the_first_store_of_a_machine_is_kept_and_the_second_copied() -> None:
    open_store(f"sqlite:///{Path('one.db').absolute()}")
    written = kept().stat().st_mtime_ns
    open_store(f"sqlite:///{Path('two.db').absolute()}")
    assert kept().stat().st_mtime_ns == written


@pytest.mark.parametrize("content", [None, b"", b"no database at all, however long this text may be"])
def test_without_a_sound_kept_store_nothing_is_copied(content: bytes | None, ready_store: str) -> None:
    keep_blank(Path(ready_store.removeprefix("sqlite:///")))
    if content is None:
        kept().unlink()
    else:
        kept().write_bytes(content)
    assert not copy_blank(Path("copy.db"))
    assert not Path("copy.db").exists()
    assert not list(Path().glob(".copy.db*"))


def test_a_cache_that_cannot_be_written_costs_only_time(ready_store: str) -> None:
    cache_folder().write_text("a file where the folder should be", encoding="utf-8")
    keep_blank(Path(ready_store.removeprefix("sqlite:///")))
    assert not copy_blank(Path("copy.db"))
