"""`cnnexp.train(resume=...)`: the same run, to the same weights."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient
from PIL import Image

import cnnexp
from cnnexp.errors import SettingsError, UserError
from cnnexp.tracking.rows import read_row
from cnnexp.tracking.store import open_store
from cnnexp.training.events import Status
from tests.e2e.runs import QUICK, Crash, StopAfter, artifacts, curve

pytestmark = pytest.mark.usefixtures("ready_store")


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "one-cycle", "augment": "crop-flip"},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "class_weights": "balanced", "lr": 0.05},
        {"patience": 2, "epochs": 30, "lr": 0.5, "augment": "flip"},
    ],
    ids=["schedule", "momentum", "patience"],
)
def test_a_crashed_run_resumes_in_the_same_mlflow_run_to_the_same_weights(
    client: MlflowClient, changes: dict[str, Any]
) -> None:
    settings = {**QUICK, "epochs": 4, "model": "convnet", **changes}
    whole = cnnexp.train(**settings)
    if "patience" in changes:
        assert whole.outcome.status is Status.STOPPED_EARLY
        assert len(whole.history) > 3
    with pytest.raises(Crash, match="crash"):
        cnnexp.train(**settings, run_name="broken", listener=StopAfter(2))
    broken = client.get_run(client.search_runs(["1"], "attributes.run_name = 'broken'")[0].info.run_id)
    assert broken.info.status == "FAILED"
    assert "crash" in broken.data.tags["cnnexp.reason"]
    resumed = cnnexp.train(resume="broken")
    assert resumed.run_id == broken.info.run_id
    assert resumed.outcome == whole.outcome
    assert curve(resumed) == curve(whole)
    assert whole.model is not None
    assert resumed.model is not None
    expected = whole.model.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in resumed.model.state_dict().items())
    assert resumed.metrics["test/loss"] == whole.metrics["test/loss"]
    assert client.get_run(resumed.run_id).info.status == "FINISHED"
    duration = read_row(open_store(None), resumed.run_id).seconds
    assert duration == pytest.approx(sum(report.seconds for report in resumed.history), rel=1e-4)
    steps = [m.step for m in client.get_metric_history(resumed.run_id, "val/loss")]
    assert steps == [report.epoch for report in whole.history]


def test_a_finished_run_goes_on_when_more_epochs_are_asked_for() -> None:
    first = cnnexp.train(**QUICK)
    longer = cnnexp.train(resume=first.run_id[:8], epochs=3)
    assert [report.epoch for report in longer.history] == [1, 2, 3]
    assert curve(longer)[:2] == curve(first)


def test_a_resumed_run_cannot_become_another_experiment() -> None:
    result = cnnexp.train(**QUICK)
    with pytest.raises(SettingsError, match=r"lr = 0.5 .*cannot change in a resumed run"):
        cnnexp.train(resume=result.run_id, lr=0.5)


def test_a_complete_run_is_not_tested_again(client: MlflowClient) -> None:
    result = cnnexp.train(**QUICK)
    with pytest.raises(UserError, match="is complete: it has all 2 epochs"):
        cnnexp.train(resume=result.run_id)
    assert len(client.get_metric_history(result.run_id, "test/accuracy")) == 1


def test_a_resumed_run_carries_the_settings_it_ended_with(client: MlflowClient) -> None:
    result = cnnexp.train(**QUICK)
    cnnexp.train(resume=result.run_id, epochs=3)
    carried = artifacts(client.get_run(result.run_id)) / "settings.yaml"
    assert yaml.safe_load(carried.read_text())["epochs"] == 3


def test_streamed_images_resume_exactly_too() -> None:
    settings = {
        **QUICK,
        "epochs": 3,
        "dataset": "folder:photos",
        "fraction": 1.0,
        "workers": 1,
        "model": "lenet",
    }
    settings |= {"memory_budget": 1e-9, "model_args": {"dropout": 0.5}, "image_size": 28, "batch_size": 8}
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        for index in range(20):
            path = Path("photos") / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (28, 28, 3), dtype=np.uint8)).save(path)
    whole = cnnexp.train(**settings)
    with pytest.raises(Crash):
        cnnexp.train(**settings, run_name="broken", listener=StopAfter(1))
    assert curve(cnnexp.train(resume="broken")) == curve(whole)


def test_a_run_goes_on_in_the_store_that_was_asked_for(ready_store: str, tmp_path: Path) -> None:
    first = cnnexp.train(**QUICK, tracking_uri="sqlite:///mlflow.db")
    moved = tmp_path / "moved.db"
    moved.write_bytes(b"")
    with sqlite3.connect(tmp_path / "mlflow.db") as source, sqlite3.connect(moved) as copy:
        source.backup(copy)
    resumed = cnnexp.train(resume=first.run_id, epochs=3, tracking_uri="sqlite:///moved.db")
    assert resumed.tracking_uri == f"sqlite:///{moved}"
    assert len(MlflowClient(ready_store).get_metric_history(first.run_id, "val/loss")) == 2
    assert len(MlflowClient(f"sqlite:///{moved}").get_metric_history(first.run_id, "val/loss")) == 3


def test_the_password_of_a_store_is_not_what_a_run_resumes_with(client: MlflowClient) -> None:
    first = cnnexp.train(**QUICK)
    carried = artifacts(client.get_run(first.run_id)) / "settings.yaml"
    carried.write_text(carried.read_text().replace("tracking_uri: null", "tracking_uri: http://***@nowhere"))
    assert len(cnnexp.train(resume="last", epochs=3).history) == 3


def test_resuming_where_no_run_was_made_says_so_and_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").unlink()
    with pytest.raises(UserError, match=r"No store .*mlflow\.db yet; `cnnexp train` makes it"):
        cnnexp.train(resume="last")
    assert not (tmp_path / "mlflow.db").exists()
