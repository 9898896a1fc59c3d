from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cnnexp.errors import TrackingError
from cnnexp.tracking import ownership
from cnnexp.tracking.run_folder import folder_of
from cnnexp.tracking.store import Store
from cnnexp.tracking.views import BEST, CURVES, TAG_PREFIX
from cnnexp.training.events import Outcome, Status


@pytest.fixture
def living() -> Iterator[dict[str, str]]:
    """The tags of a process of this machine that lives as long as the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield tags_of(process.pid)
        process.communicate(b"\n")


def tags_of(pid: int) -> dict[str, str]:
    started = f"{psutil.Process(pid).create_time():.2f}"
    return {**ownership.own_tags(), ownership.PID: str(pid), ownership.PID_STARTED: started}


def dead() -> dict[str, str]:
    """The tags of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        tags = tags_of(process.pid)
        process.communicate(b"\n")
    return tags


def status(store: Store, run_id: str) -> tuple[str, str | None]:
    run = store.client.get_run(run_id)
    return run.info.status, run.data.tags.get("cnnexp.reason")


def test_experiment_is_made_once_with_description_and_views(store: Store) -> None:
    first, second = store.experiment_id("mine"), store.experiment_id("mine")
    tags = store.client.get_experiment(first).tags
    assert first == second
    assert {TAG_PREFIX + BEST, TAG_PREFIX + CURVES, "mlflow.note.content"} <= tags.keys()


def test_complete_experiment_is_not_written_to(
    store: Store, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.client, "set_experiment_tag", lambda *_: pytest.fail("written"))
    assert store.experiment_id("cnnexp") == experiment


def test_changed_view_is_restored_and_a_users_description_is_kept(store: Store, experiment: str) -> None:
    store.client.set_experiment_tag(experiment, TAG_PREFIX + BEST, "{}")
    store.client.set_experiment_tag(experiment, "mlflow.note.content", "my own words")
    store.experiment_id("cnnexp")
    tags = store.client.get_experiment(experiment).tags
    assert tags[TAG_PREFIX + BEST] != "{}"
    assert tags["mlflow.note.content"] == "my own words"


def test_deleted_experiment_is_said_with_the_command_that_restores_it(store: Store, experiment: str) -> None:
    store.client.delete_experiment(experiment)
    with pytest.raises(TrackingError, match=f"mlflow experiments restore --experiment-id {experiment}"):
        store.experiment_id("cnnexp")


def test_only_runs_whose_process_is_gone_are_closed(
    store: Store, experiment: str, living: dict[str, str]
) -> None:
    gone = dead()
    reused = {**living, ownership.PID_STARTED: "1.00"}  # the same process id, another process
    foreign = {**gone, ownership.HOST_KEY: "another machine"}
    make = store.client.create_run
    expected = {
        make(experiment, tags=gone).info.run_id: "KILLED",
        make(experiment, tags=reused).info.run_id: "KILLED",
        make(experiment, tags=foreign).info.run_id: "RUNNING",
        make(experiment, tags=living).info.run_id: "RUNNING",
        make(experiment, tags={}).info.run_id: "RUNNING",
        store.create_run(experiment).id: "RUNNING",
    }
    closed = store.close_dead_runs()
    assert {run_id: status(store, run_id)[0] for run_id in expected} == expected
    assert set(closed) == {run_id for run_id, end in expected.items() if end == "KILLED"}
    assert status(store, closed[0])[1] == "its process ended without a word"


def leave(folder: Path, *operations: dict[str, object]) -> None:
    """Writes what a process could not send before it ended."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(operation) + "\n" for operation in operations)
    (folder / "unsent.jsonl").write_text(lines, encoding="utf-8")


EPOCH: dict[str, object] = {"kind": "batch", "metrics": [["val/accuracy", 0.9, 1000, 3]]}
TAGS: dict[str, object] = {
    "kind": "batch",
    "tags": {"cnnexp.status": "completed", "cnnexp.reason": "3 epochs"},
}
END: dict[str, object] = {"kind": "end", "status": "FINISHED", "time": 2**41}


def test_a_run_whose_end_was_not_delivered_ends_as_it_says_itself(store: Store, experiment: str) -> None:
    run = store.client.create_run(experiment, tags=dead())
    folder = folder_of(run).path
    leave(folder, EPOCH, TAGS, END)
    assert store.close_dead_runs() == []
    assert status(store, run.info.run_id) == ("FINISHED", "3 epochs")
    found = store.client.get_run(run.info.run_id)
    assert (found.data.metrics, found.info.end_time) == ({"val/accuracy": 0.9}, 2**41)
    assert not (folder / "unsent.jsonl").exists()


def test_a_run_that_died_while_the_store_was_away_is_killed_with_all_it_has_left(
    store: Store, experiment: str
) -> None:
    run = store.client.create_run(experiment, tags=dead())
    leave(folder_of(run).path, EPOCH)
    assert store.close_dead_runs() == [run.info.run_id]
    assert status(store, run.info.run_id) == ("KILLED", "its process ended without a word")
    assert store.client.get_run(run.info.run_id).data.metrics == {"val/accuracy": 0.9}


def test_what_a_run_on_a_server_has_left_is_found_from_another_folder(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = store.client.create_experiment("remote", artifact_location="mlflow-artifacts:/remote")
    here = {**dead(), ownership.FOLDER: str(tmp_path / "there")}
    run = store.client.create_run(experiment, tags=here)
    folder = tmp_path / "there" / "cnnexp-runs" / run.info.run_id
    leave(folder, EPOCH, TAGS, END)
    (folder / "last.safetensors").touch()
    elsewhere = store.client.create_run(experiment, tags={**here, ownership.HOST_KEY: "another machine"})
    (tmp_path / "there" / "cnnexp-runs" / elsewhere.info.run_id).mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert folder_of(elsewhere).path == tmp_path / "elsewhere" / "cnnexp-runs" / elsewhere.info.run_id
    assert store.close_dead_runs() == []
    assert status(store, run.info.run_id)[0] == "FINISHED"
    assert not folder.exists()


def test_a_run_that_goes_on_in_the_folder_of_its_past_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = store.client.create_experiment("remote", artifact_location="mlflow-artifacts:/remote")
    run = store.client.create_run(experiment, tags={**dead(), ownership.FOLDER: str(tmp_path / "there")})
    folder = tmp_path / "there" / "cnnexp-runs" / run.info.run_id
    leave(folder, EPOCH)
    for name in ("second", "third"):  # each is started in another folder, after the one before it died
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert store.reopen_run(run.info.run_id).folder == folder
        store.client.set_tag(run.info.run_id, ownership.PID_STARTED, "1.00")


def test_finished_run_goes_on(store: Store, experiment: str) -> None:
    run = store.create_run(experiment)
    run.finish(Outcome(Status.INTERRUPTED, "Ctrl-C"))
    again = store.reopen_run(run.id)
    assert again.folder == run.folder
    assert status(store, run.id) == ("RUNNING", "resumed")
    again.finish(Outcome(Status.COMPLETED, "2 epochs"))
    assert status(store, run.id) == ("FINISHED", "2 epochs")


def test_run_whose_process_died_goes_on(store: Store, experiment: str) -> None:
    run_id = store.client.create_run(experiment, tags=dead()).info.run_id
    store.reopen_run(run_id)
    assert store.client.get_run(run_id).data.tags[ownership.PID] == str(os.getpid())


def test_run_that_is_alive_elsewhere_is_not_taken(
    store: Store, experiment: str, living: dict[str, str]
) -> None:
    here = store.client.create_run(experiment, tags=living).info.run_id
    with pytest.raises(TrackingError, match=f"still running as process {living[ownership.PID]}"):
        store.reopen_run(here)
    there = {**living, ownership.HOST: "oak", ownership.HOST_KEY: "another machine"}
    run_id = store.client.create_run(experiment, tags=there).info.run_id
    with pytest.raises(TrackingError, match=r"running on machine 'oak'.*set_terminated"):
        store.reopen_run(run_id)


def test_deleted_and_unknown_runs_cannot_go_on(store: Store, experiment: str) -> None:
    run = store.create_run(experiment)
    store.client.delete_run(run.id)
    with pytest.raises(TrackingError, match=f"mlflow runs restore --run-id {run.id}"):
        store.reopen_run(run.id)
    with pytest.raises(TrackingError, match="not found"):
        store.adopt_run("0" * 32)


def test_adopted_run_keeps_the_params_that_mlflow_run_has_logged(
    store: Store, experiment: str, problems: list[str]
) -> None:
    run_id = store.client.create_run(experiment).info.run_id
    store.client.log_param(run_id, "run_name", "''")  # as `mlflow run` quotes an empty value
    run = store.adopt_run(run_id, run_name="lenet-1", tags={"kind": "run"}, on_problem=problems.append)
    run.log_params({"run_name": "", "lr": 0.1})
    found = store.client.get_run(run_id)
    assert found.data.params == {"run_name": "''", "lr": "0.1"}
    assert found.info.run_name == run.name == "lenet-1"
    assert found.data.tags["kind"] == "run"
    assert problems == []


def test_run_knows_user_source_and_parent(store: Store, experiment: str) -> None:
    parent = store.create_run(experiment, run_name="study")
    child = store.create_run(experiment, tags={"mlflow.parentRunId": parent.id})
    tags = store.client.get_run(child.id).data.tags
    assert tags["mlflow.parentRunId"] == parent.id
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type"} <= tags.keys()


def test_folder_that_cannot_be_made_leaves_no_run_running(
    store: Store, experiment: str, tmp_path: Path
) -> None:
    (tmp_path / "mlruns").write_text("in the way", encoding="utf-8")
    with pytest.raises(TrackingError, match=r"folder .* cannot be made"):
        store.create_run(experiment)
    (run,) = store.client.search_runs([experiment])
    assert run.info.status == "FAILED"


def test_file_of_a_run_is_fetched_by_its_id(store: Store, experiment: str) -> None:
    run = store.create_run(experiment)
    run.log_text("epochs: 5\n", "settings.yaml")
    assert store.fetch(run.id, "settings.yaml").read_text(encoding="utf-8") == "epochs: 5\n"
    with pytest.raises(TrackingError, match=r"has no file last\.json"):
        store.fetch(run.id, "last.json")
