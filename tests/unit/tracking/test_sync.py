from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cnnexp.cli import cli
from cnnexp.errors import UserError
from cnnexp.tracking import ownership
from cnnexp.tracking.operations import perform
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store
from cnnexp.tracking.sync import sync
from cnnexp.training.events import Outcome, Status
from tests.unit.tracking.left_behind import (
    DONE,
    AwayClient,
    DyingClient,
    Killed,
    files,
    give_to,
    gone_process,
    history,
    left_behind,
    remote,
)


def test_all_that_was_left_arrives_and_the_folder_goes(store: Store, experiment: str) -> None:
    run = left_behind(store, experiment)
    (found,) = sync(store)
    assert (found.run_id, found.name, found.delivered.why) == (run.id, "lenet", "")
    assert found.delivered.sent == {"batch": 4, "artifact": 1, "dataset": 1, "end": 1}
    kept = store.client.get_run(run.id)
    assert (kept.info.status, kept.data.params, history(store, run.id)) == (
        "FINISHED",
        {"model": "lenet"},
        [(1, 0.5), (2, 0.25)],
    )
    assert files(store, run.id, "data") == ["data/epochs.csv"]
    assert list(Path("cnnexp-runs").iterdir()) == []  # no lock file either
    assert list(sync(store)) == []


def test_a_replay_that_was_killed_before_it_could_note_anything_leaves_no_trace(
    store: Store, experiment: str, tmp_path: Path
) -> None:
    run = left_behind(store, experiment, model=True)
    shutil.copytree(run.folder, tmp_path / "as it was" / run.id)
    list(sync(store))
    before = store.client.get_run(run.id).to_dictionary()
    (found,) = sync(store, tmp_path / "as it was")  # the same operations from the same state
    assert found.delivered.why == ""
    assert store.client.get_run(run.id).to_dictionary() == before
    assert history(store, run.id) == [(1, 0.5), (2, 0.25)]
    (model,) = own_models(store, experiment, run.id)
    assert (model.source_run_id, model.status.value) == (run.id, "READY")


def own_models(store: Store, experiment: str, run_id: str) -> list[Any]:
    return [one for one in store.client.search_logged_models([experiment]) if one.source_run_id == run_id]


def content(store: Store, run_id: str) -> dict[str, Any]:
    """All that a store has of a run, but for ids and times."""
    run = store.client.get_run(run_id)
    own = {key: value for key, value in run.data.tags.items() if "finished" not in key}
    histories = {name: store.client.get_metric_history(run_id, name) for name in run.data.metrics}
    assert run.inputs is not None
    assert run.outputs is not None
    return {
        "run": (run.info.status, run.info.run_name, run.data.params, own),
        "metrics": {name: [(one.step, one.value) for one in found] for name, found in histories.items()},
        "files": [(path, files(store, run_id, path)) for path in files(store, run_id)],
        "inputs": [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs],
        "evaluated": [one.model_id for one in run.inputs.model_inputs],
        "outputs": [one.step for one in run.outputs.model_outputs],
        "models": [
            (one.name, str(one.status), [(each.key, each.value) for each in one.metrics or ()])
            for one in own_models(store, run.info.experiment_id, run_id)
        ],
    }


def test_wherever_a_replay_is_killed_the_next_makes_the_run_the_undisturbed_one(
    store: Store, experiment: str
) -> None:
    undisturbed = left_behind(store, experiment, model=True)
    client, counted = store.client, DyingClient(store.client, after=0)
    saved = Path("saved")
    shutil.copytree(undisturbed.folder, saved)
    store.client = counted  # type: ignore[assignment]
    list(sync(store))
    num_writes = -counted.left
    assert num_writes > 10
    store.client = client
    expected = content(store, undisturbed.id)
    for after in range(1, num_writes + 1):
        again = store.create_run(experiment, run_name="lenet")
        folder = Path("cnnexp-runs") / again.id
        shutil.copytree(saved, folder)
        store.client = DyingClient(client, after)  # type: ignore[assignment]
        with pytest.raises(Killed):
            list(sync(store))
        store.client = client
        list(sync(store))
        assert content(store, again.id) == expected, after
        assert not folder.exists()


def test_a_model_that_was_half_sent_is_finished_not_made_twice(
    store: Store, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = left_behind(store, experiment, model=True)
    with monkeypatch.context() as patch:

        def kill(*_: object) -> None:
            raise Killed

        patch.setattr(type(store.client), "log_model_artifacts", kill)
        with pytest.raises(Killed):
            list(sync(store))
    (begun,) = own_models(store, experiment, run.id)
    assert begun.status.value == "PENDING"
    (found,) = sync(store)
    assert found.delivered.why == ""
    (model,) = own_models(store, experiment, run.id)
    assert (model.model_id, model.status.value) == (begun.model_id, "READY")
    outputs = store.client.get_run(run.id).outputs
    assert outputs is not None
    assert [one.model_id for one in outputs.model_outputs] == [model.model_id]


def test_two_at_once_send_everything_once(
    store: Store, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        left_behind(store, experiment)
    sent: list[str] = []

    def counted(client: Any, target: Any, operation: Any) -> None:
        sent.append(f"{target.run_id} {json.dumps(operation)}")
        perform(client, target, operation)

    monkeypatch.setattr("cnnexp.tracking.delivery.perform", counted)
    both = [threading.Thread(target=lambda: list(sync(store))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(sent) == len(set(sent)) == 3 * 7


def test_runs_of_living_processes_are_left_alone(store: Store, experiment: str) -> None:
    run = left_behind(store, experiment, ends=False)
    (found,) = sync(store)
    assert found.delivered.sent == {}
    assert "still at work as process" in found.delivered.why
    give_to(store, run, host_key="another", host="farm7")
    (found,) = sync(store)
    assert "running on machine farm7" in found.delivered.why
    assert history(store, run.id) == []
    assert store.client.get_run(run.id).info.status == "RUNNING"


def test_a_run_whose_process_died_gets_its_files_and_is_closed(store: Store, experiment: str) -> None:
    run = left_behind(store, experiment, ends=False)
    (run.folder / "checkpoints").mkdir()
    (run.folder / "checkpoints" / "last.safetensors").write_bytes(b"weights")
    (run.folder / "checkpoints" / ".best.safetensors.partial").write_bytes(b"half of the w")
    give_to(store, run, **gone_process())
    (found,) = sync(store)
    assert found.delivered.why == ""
    kept = store.client.get_run(run.id)
    assert (kept.info.status, kept.data.tags["cnnexp.status"]) == ("KILLED", "interrupted")
    assert files(store, run.id, "checkpoints") == ["checkpoints/last.safetensors"]
    assert not run.folder.exists()


def test_files_of_a_dead_run_are_sent_after_the_next_start_has_closed_it(
    store: Store, experiment: str
) -> None:
    run = left_behind(store, experiment, ends=False)
    give_to(store, run, **gone_process())
    assert store.close_dead_runs() == [run.id]
    unsent = run.folder / "unsent.jsonl"
    assert unsent.exists()  # in this test the store keeps its files itself: the start looked elsewhere
    unsent.unlink()
    (run.folder / "last.bin").write_bytes(b"weights")
    (found,) = sync(store)
    assert found.delivered.sent["artifact"] == 2
    assert "last.bin" in files(store, run.id)


def test_a_folder_from_another_machine_is_sent_and_a_stale_copy_is_not(
    store: Store, experiment: str, tmp_path: Path
) -> None:
    run = left_behind(store, experiment)
    give_to(store, run, host_key="another", host="farm7")
    copy = tmp_path / "usb" / "cnnexp-runs"
    shutil.copytree(run.folder, copy / run.id)
    shutil.copytree(run.folder, tmp_path / "old" / run.id)
    shutil.rmtree(run.folder)
    for folder in (copy.parent, copy, copy / run.id):
        assert folder.is_dir()
    (found,) = sync(store, copy)
    assert found.delivered.why == ""
    resumed = remote(store, run.id, tmp_path / "resumed" / run.id)
    resumed.take_up({**ownership.own_tags(), "cnnexp.status": "running"})
    (found,) = sync(store, tmp_path / "old")
    assert "has gone on since" in found.delivered.why
    assert store.client.get_run(run.id).info.status == "RUNNING"
    resumed.finish(Outcome(Status.COMPLETED, "9 epochs"))
    (found,) = sync(store, tmp_path / "old" / run.id)
    assert "has gone on since" in found.delivered.why
    assert store.client.get_run(run.id).data.tags["cnnexp.reason"] == "9 epochs"


def test_fetched_files_of_a_finished_run_are_not_sent(store: Store, experiment: str) -> None:
    run = remote(store, store.create_run(experiment).id, Path("somewhere"))
    run.finish(DONE)
    folder = Path("cnnexp-runs") / run.id
    folder.mkdir(parents=True)
    (folder / "settings.yaml").write_text("model: lenet\n")
    assert list(sync(store)) == []
    assert files(store, run.id) == []


def test_what_the_store_does_not_take_is_said_and_stays(
    store: Store, experiment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = left_behind(store, experiment)
    (run.folder / "data" / "epochs.csv").unlink()
    with pytest.raises(SystemExit) as ended:
        cli.main(["sync", "--tracking-uri", store.uri], prog_name="cnnexp")
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert "4 groups of values" in printed
    assert "1 operations were not taken" in printed
    assert len((run.folder / "unsent.jsonl").read_text().splitlines()) == 1
    assert store.client.get_run(run.id).info.status == "FINISHED"


def test_a_run_of_another_store_and_a_missing_folder_are_said(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "cnnexp-runs" / ("a" * 32)
    folder.mkdir(parents=True)
    value = '{"kind": "batch", "params": {"lr": "0.1"}}\n'
    (folder / "unsent.jsonl").write_text(value + '{"kind": "end", "status": "FINISHED", "time": 1}\n')
    (found,) = sync(store)
    assert "no such run in this store" in found.delivered.why
    assert (found.delivered.left, found.delivered.had_ended) == (2, True)
    assert folder.is_dir()
    with pytest.raises(UserError, match="nowhere does not exist"):
        list(sync(store, Path("nowhere")))


def test_a_store_on_this_machine_gets_what_was_left_in_its_own_folder(store: Store, experiment: str) -> None:
    made = store.create_run(experiment)
    away: Any = AwayClient()
    place: Any = SimpleNamespace(path=made.folder, is_local=True, unshared=made.folder)
    run = Run(away, store.client.get_run(made.id), folder=place, on_problem=lambda _: None)
    run.log_epoch(1, {"val/loss": 0.5})
    run.log_text("table", "epochs.csv")
    run.finish(DONE)
    (found,) = sync(store)
    assert found.delivered.why == ""
    assert history(store, run.id) == [(1, 0.5)]
    assert files(store, run.id) == ["epochs.csv"]  # as it was: MLflow's own folder stays
