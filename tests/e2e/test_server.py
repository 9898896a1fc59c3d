"""`cnnexp.train` with a real tracking server, which keeps the runs' files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient

import cnnexp
from cnnexp.training.checkpoint import BEST, LAST
from tests.tracking_server import serving

SETTINGS: dict[str, Any] = {
    "model": "convnet",
    "augment": "flip",
    "fraction": 0.3,
    "figures": "none",
    "seed": 7,
}


@pytest.fixture
def server(ready_store: str) -> Iterator[str]:
    """The address of a server on the store of the test's folder."""
    with serving(Path(ready_store.removeprefix("sqlite:///"))) as (address, _):
        yield address


def weights(result: cnnexp.Result) -> dict[str, torch.Tensor]:
    assert result.model is not None
    return result.model.state_dict()


def files(client: MlflowClient, run_id: str, folder: str | None = None) -> set[str]:
    return {info.path for info in client.list_artifacts(run_id, folder)}


def test_a_run_on_a_server_resumes_from_another_folder_to_the_same_weights(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = cnnexp.train(
        **SETTINGS, epochs=5, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", log_model=False
    )
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "one")
    first = cnnexp.train(**SETTINGS, epochs=3, tracking_uri=server, log_model=False)
    assert len(first.history) == 3
    client = MlflowClient(server)
    assert files(client, first.run_id, "checkpoints") >= {BEST, LAST}
    assert not list((tmp_path / "one").rglob("*.safetensors"))  # all delivered: the server has the only copy
    monkeypatch.chdir(tmp_path / "another")
    resumed = cnnexp.train(resume=first.run_id[:8], epochs=5, tracking_uri=server)
    assert (resumed.run_id, len(resumed.history)) == (first.run_id, 5)
    assert [report.train_loss for report in resumed.history] == [
        report.train_loss for report in whole.history
    ]
    expected = weights(whole)
    assert all(torch.equal(value, expected[key]) for key, value in weights(resumed).items())
    assert resumed.metrics["test/loss"] == whole.metrics["test/loss"]
    run = client.get_run(resumed.run_id)
    assert run.info.status == "FINISHED"
    assert [one.step for one in client.get_metric_history(run.info.run_id, "val/loss")] == [1, 2, 3, 4, 5]
