"""`cnnexp.train` with a real tracking server, which keeps the runs' files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from mlflow import MlflowClient

import cnnexp
from cnnexp.cli import cli
from cnnexp.results.recorded import find_recorded
from cnnexp.tracking.store import open_store
from cnnexp.training.checkpoint import BEST, LAST
from cnnexp.training.events import EpochReport
from tests.tracking_server import serving, stop

pytestmark = pytest.mark.xdist_group("server")  # started once

SETTINGS: dict[str, Any] = {
    "model": "convnet",
    "augment": "flip",
    "fraction": 0.3,
    "figures": "none",
    "seed": 7,
}


class Server:
    """A server that can be killed, and started again at the same address."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._stack = ExitStack()
        self.address, self._process = self._stack.enter_context(serving(database))

    def kill(self) -> None:
        stop(self._process)

    def start_again(self) -> None:
        self._stack.close()
        port = urlsplit(self.address).port
        assert port is not None
        address, self._process = self._stack.enter_context(serving(self._database, port))
        assert address == self.address

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def server(_empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the whole module: a start takes ten seconds."""
    database = tmp_path_factory.mktemp("server") / "mlflow.db"
    shutil.copy(_empty_store, database)
    server = Server(database)
    yield server
    server.close()


def weights(result: cnnexp.Result) -> dict[str, torch.Tensor]:
    assert result.model is not None
    return result.model.state_dict()


def files(client: MlflowClient, run_id: str, folder: str | None = None) -> set[str]:
    return {info.path for info in client.list_artifacts(run_id, folder)}


def test_a_run_on_a_server_resumes_from_another_folder_to_the_same_weights(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = cnnexp.train(
        **SETTINGS, epochs=5, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", log_model=False
    )
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "one")
    first = cnnexp.train(**SETTINGS, epochs=3, tracking_uri=server.address, log_model=False)
    assert len(first.history) == 3
    client = MlflowClient(server.address)
    assert files(client, first.run_id, "checkpoints") >= {BEST, LAST}
    assert not list((tmp_path / "one").rglob("*.safetensors"))  # all delivered: the server has the only copy
    recorded = find_recorded(open_store(server.address), first.run_id)
    assert len(recorded.epochs) == 3
    assert not list((tmp_path / "one").rglob("*.csv"))  # who reads leaves nothing where runs are written
    monkeypatch.chdir(tmp_path / "another")
    resumed = cnnexp.train(resume=first.run_id[:8], epochs=5, tracking_uri=server.address)
    assert (resumed.run_id, len(resumed.history)) == (first.run_id, 5)
    assert [report.train_loss for report in resumed.history] == [
        report.train_loss for report in whole.history
    ]
    expected = weights(whole)
    assert all(torch.equal(value, expected[key]) for key, value in weights(resumed).items())
    assert resumed.metrics["test/loss"] == whole.metrics["test/loss"]
    monkeypatch.chdir(tmp_path / "one")
    assert len(find_recorded(open_store(server.address), first.run_id).epochs) == 5  # not those of then
    run = client.get_run(resumed.run_id)
    assert run.info.status == "FINISHED"
    assert [one.step for one in client.get_metric_history(run.info.run_id, "val/loss")] == [1, 2, 3, 4, 5]


class KillAfter(cnnexp.Listener):
    """Kills the server after an epoch, and keeps what was said."""

    def __init__(self, server: Server, epoch: int) -> None:
        self._server, self._epoch = server, epoch
        self.said: list[str] = []

    def epoch(self, report: EpochReport) -> None:
        if report.epoch == self._epoch:
            self._server.kill()

    def note(self, sentence: str) -> None:
        self.said.append(sentence)


OF_THE_TIME = {"seconds", "total_seconds", "images_per_second"}
OF_THE_PLACE = ("cnnexp.pid", "cnnexp.host", "cnnexp.folder", "cnnexp.finished", "mlflow.runName")


def facts(client: MlflowClient, run_id: str) -> dict[str, Any]:
    """All that the store knows of a run, but for when and where it was."""
    run = client.get_run(run_id)
    histories = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
    assert run.outputs is not None
    assert run.inputs is not None
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    return {
        "status": run.info.status,
        "params": run.data.params,
        "tags": {name: one for name, one in run.data.tags.items() if not name.startswith(OF_THE_PLACE)},
        "metrics": {
            name: [(one.step, one.value) for one in found]
            for name, found in histories.items()
            if name not in OF_THE_TIME
        },
        "lengths": {name: len(found) for name, found in histories.items()},
        "files": sorted(all_files(client, run_id)),
        "inputs": sorted(one.dataset.digest + one.tags[0].value for one in run.inputs.dataset_inputs),
        "model": (model.name, model.status, model.params, output.step),
        "model metrics": {one.key: one.value for one in model.metrics or []},
    }


def all_files(client: MlflowClient, run_id: str, folder: str | None = None) -> Iterator[str]:
    for info in client.list_artifacts(run_id, folder):
        if info.is_dir:
            yield from all_files(client, run_id, info.path)
        else:
            yield info.path


def test_a_run_whose_server_was_killed_equals_an_undisturbed_one_after_sync(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {**SETTINGS, "epochs": 4, "figures": "standard", "tracking_uri": server.address}
    whole = cnnexp.train(**asked)
    listener = KillAfter(server, epoch=2)
    disturbed = cnnexp.train(**asked, listener=listener)
    assert len(disturbed.history) == 4
    (said,) = listener.said
    assert "training goes on, and what was not sent is kept in" in said
    server.start_again()
    client = MlflowClient(server.address)
    assert client.get_run(disturbed.run_id).info.status == "RUNNING"
    with pytest.raises(SystemExit) as ended:
        cli.main(["sync", "--tracking-uri", server.address], prog_name="cnnexp")
    assert ended.value.code == 0
    assert disturbed.run_id[:8] in capsys.readouterr().out
    assert facts(client, disturbed.run_id) == facts(client, whole.run_id)
    assert not list(Path("cnnexp-runs").iterdir())
