"""Files of runs that a server keeps: read anew when the run has gone on, and not where runs are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnnexp.cache_folder import cache_folder
from cnnexp.data.cache import clear_cache
from cnnexp.errors import TrackingError
from cnnexp.tracking import fetching
from cnnexp.tracking import store as stores
from cnnexp.tracking.run import DIED, Run
from cnnexp.tracking.run_folder import RUNS, RunFolder
from cnnexp.tracking.store import Store
from cnnexp.training.events import Outcome, Status

NAME = "checkpoints/last"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, store: Store, experiment: str) -> Run:
    """A run at work here whose files a server keeps: this store stands for it."""

    def remote(run: Any) -> RunFolder:
        return RunFolder(run.info.run_id, Path.cwd() / RUNS / run.info.run_id, is_local=False)

    monkeypatch.setattr(fetching, "folder_of", remote)
    monkeypatch.setattr(stores, "folder_of", remote)
    return store.create_run(experiment)


def end(run: Run, text: str) -> None:
    run.log_text(text, NAME)
    run.finish(Outcome(Status.COMPLETED, text))


def read(store: Store, run: Run) -> str:
    return store.fetch(run.id, NAME).read_text()


def test_a_run_that_went_on_elsewhere_is_read_anew_and_once(
    store: Store, kept: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(kept, "3 epochs")
    assert read(store, kept) == "3 epochs"
    assert not kept.folder.exists()
    (tmp_path / "elsewhere").mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path / "elsewhere")
        end(store.reopen_run(kept.id), "5 epochs")
    assert read(store, kept) == "5 epochs"
    assert len(list((cache_folder() / "runs" / kept.id).iterdir())) == 1  # the old ones are gone
    monkeypatch.setattr(type(store.client), "download_artifacts", None)
    assert read(store, kept) == "5 epochs"
    assert clear_cache() == len("5 epochs")


def test_files_of_an_earlier_stage_do_not_count_and_go_when_it_goes_on_here(store: Store, kept: Run) -> None:
    end(kept, "5 epochs")
    (kept.folder / "checkpoints").mkdir(parents=True)
    (kept.folder / NAME).write_text("3 epochs")
    assert read(store, kept) == "5 epochs"
    resumed = store.reopen_run(kept.id)
    assert list(resumed.folder.iterdir()) == []
    resumed.take_files({NAME: store.fetch(kept.id, NAME)})
    assert (resumed.folder / NAME).read_text() == "5 epochs"


def test_files_of_a_run_at_work_or_dead_in_its_folder_count(store: Store, kept: Run) -> None:
    kept.log_text("of the server", NAME)
    (kept.folder / NAME).write_text("of now")
    assert read(store, kept) == "of now"
    store.end_run(kept.id, DIED, params={}, tags={})
    assert read(store, kept) == "of now"
    store.client.set_tag(kept.id, "cnnexp.folder", "/elsewhere")  # it is at work again, there
    store.client.update_run(kept.id, status="RUNNING")
    assert read(store, kept) == "of the server"
    kept.log_text("of the server, later", NAME)
    assert read(store, kept) == "of the server, later"


def test_what_could_not_be_sent_counts(store: Store, kept: Run) -> None:
    end(kept, "5 epochs")
    (kept.folder / "checkpoints").mkdir(parents=True)
    (kept.folder / NAME).write_text("7 epochs")
    (kept.folder / "unsent.jsonl").write_text("")
    assert read(store, kept) == "7 epochs"


def test_a_file_that_the_server_has_not_is_one_sentence(store: Store, kept: Run) -> None:
    end(kept, "5 epochs")
    with pytest.raises(TrackingError, match=rf"^nothing of run {kept.id} cannot be had: "):
        store.fetch(kept.id, "nothing")
