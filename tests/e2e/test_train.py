"""`cnnexp.train` in this process: what a run leaves behind, and what bad input says."""

from __future__ import annotations

import csv
import itertools
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

import cnnexp
from cnnexp.errors import SettingsError, UserError
from cnnexp.experiment import Listener, Result, RunFacts
from cnnexp.settings import Given
from cnnexp.training.checkpoint import BEST, LAST
from cnnexp.training.events import EpochReport, Status

QUICK: dict[str, Any] = {"epochs": 2, "fraction": 0.3, "figures": "none", "log_model": False}
pytestmark = pytest.mark.usefixtures("ready_store")


@pytest.fixture
def client(ready_store: str) -> MlflowClient:
    return MlflowClient(ready_store)


def artifacts(run: Run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))


def runs_of(client: MlflowClient) -> list[Run]:
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()]))


def curve(result: Result) -> list[tuple[float, ...]]:
    return [(r.train_loss, r.train_accuracy, r.val_loss, r.val_accuracy, r.lr) for r in result.history]


class Crash(BaseException):
    """What no code expects."""


class Complaint(Listener):
    """Fails the test at the first note: the run was to go smoothly."""

    def note(self, sentence: str) -> None:
        raise Crash(sentence)


class StopAfter(Listener):
    """Ends the process's training like a crash: an exception between two epochs, or within one."""

    def __init__(self, epoch: int) -> None:
        self.epoch_number = epoch

    def epoch(self, report: EpochReport) -> None:
        if report.epoch == self.epoch_number:
            raise Crash("crash")


def test_a_run_leaves_what_is_needed_to_judge_and_repeat_it(client: MlflowClient) -> None:
    result = cnnexp.train(
        listener=Complaint(), epochs=2, fraction=0.3, tags={"course": "cv"}, run_name="first"
    )
    run = client.get_run(result.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert run.data.params["model"] == "lenet"
    assert run.data.params["model.activation"] == "sigmoid"
    assert run.data.params["num_parameters"] == "44426"
    assert run.data.params["device"] == "cpu"  # what was built, not `auto`
    assert "momentum" not in run.data.params  # adam has none
    assert run.data.tags["course"] == "cv"
    assert "settings.yaml" in run.data.tags["mlflow.note.content"]
    for name in (
        "train/loss",
        "train/accuracy",
        "val/loss",
        "val/accuracy",
        "lr",
        "seconds",
        "images_per_second",
    ):
        assert [m.step for m in client.get_metric_history(result.run_id, name)] == [1, 2], name
    for name in ("best/epoch", "best/val_accuracy", "best/val_loss", "test/accuracy", "test/loss"):
        assert run.data.metrics[name] == pytest.approx(result.metrics[name], rel=1e-5)
    assert len(client.get_metric_history(result.run_id, "test/accuracy")) == 1
    written = {str(path.relative_to(artifacts(run))) for path in artifacts(run).rglob("*") if path.is_file()}
    assert written >= {
        "settings.yaml",
        "epochs.csv",
        BEST,
        LAST,
        "data/dataset.json",
        "network/layers.txt",
        "environment/packages.json",
        "environment/command.txt",
        "plots/sample_batch.png",
        "plots/learning_curves.png",
        "plots/confusion_matrix.png",
        "plots/confusion_matrix_rates.png",
        "plots/mistakes.png",
        "test/confusion_matrix.csv",
        "test/per_class.csv",
        "test/predictions.csv",
    }
    assert run.inputs is not None
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {"digits"}
    for path in artifacts(run).rglob("*"):
        assert path.suffix not in {".pkl", ".pt", ".pth", ".partial"}
    data = json.loads((artifacts(run) / "data/dataset.json").read_text())
    with (artifacts(run) / "test/confusion_matrix.csv").open() as file:
        rows = [[int(cell) for cell in row[1:]] for row in itertools.islice(csv.reader(file), 1, None)]
    assert np.sum(rows) == data["images"]["test"]
    assert np.sum(rows, axis=1).tolist() == data["images_per_class"]["test"]  # a row is a true class
    assert np.trace(rows) / np.sum(rows) == pytest.approx(result.metrics["test/accuracy"])


def test_the_logged_model_takes_raw_images_and_gives_our_predictions(ready_store: str) -> None:
    result = cnnexp.train(**{**QUICK, "log_model": True}, listener=Complaint())
    mlflow.set_tracking_uri(ready_store)
    images = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    assert result.model is not None
    with torch.no_grad():
        ours = result.model(images)
    assert ours.sum(dim=1).tolist() == pytest.approx([1.0] * 5, rel=1e-5)
    loaded = mlflow.pytorch.load_model(f"runs:/{result.run_id}/model")
    torch.testing.assert_close(loaded(images), ours)
    served = mlflow.pyfunc.load_model(f"runs:/{result.run_id}/model").predict(images.numpy())
    np.testing.assert_allclose(served, ours.numpy(), rtol=1e-5, atol=1e-6)


def test_the_settings_a_run_carries_repeat_it_to_the_same_curve(client: MlflowClient) -> None:
    first = cnnexp.train(
        **QUICK, model="convnet", model_args={"widths": [4, 8]}, augment="crop-flip", lr=0.02, seed=3
    )
    carried = artifacts(client.get_run(first.run_id)) / "settings.yaml"
    assert yaml.safe_load(carried.read_text())["model_args"]["widths"] == [4, 8]
    torch.rand(7)
    second = cnnexp.train(config=carried)
    assert curve(second) == curve(first)
    assert second.metrics["test/loss"] == first.metrics["test/loss"]
    other = cnnexp.train(config=carried, seed=4)
    assert curve(other) != curve(first)


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_a_crashed_run_resumes_in_the_same_mlflow_run_to_the_same_weights(
    client: MlflowClient, schedule: str
) -> None:
    settings = {
        **QUICK,
        "epochs": 4,
        "model": "convnet",
        "augment": "flip",
        "schedule": schedule,
        "patience": 50,
    }
    whole = cnnexp.train(**settings)
    with pytest.raises(Crash, match="crash"):
        cnnexp.train(**settings, run_name="broken", listener=StopAfter(2))
    broken = client.get_run(client.search_runs(["1"], "attributes.run_name = 'broken'")[0].info.run_id)
    assert broken.info.status == "FAILED"
    assert "crash" in broken.data.tags["cnnexp.reason"]
    resumed = cnnexp.train(resume="broken")
    assert resumed.run_id == broken.info.run_id
    assert curve(resumed) == curve(whole)
    assert whole.model is not None
    assert resumed.model is not None
    expected = whole.model.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in resumed.model.state_dict().items())
    assert resumed.metrics["test/loss"] == whole.metrics["test/loss"]
    assert client.get_run(resumed.run_id).info.status == "FINISHED"
    steps = [m.step for m in client.get_metric_history(resumed.run_id, "val/loss")]
    assert steps == [1, 2, 3, 4]


def test_a_finished_run_goes_on_when_more_epochs_are_asked_for() -> None:
    first = cnnexp.train(**QUICK)
    longer = cnnexp.train(resume=first.run_id[:8], epochs=3)
    assert [report.epoch for report in longer.history] == [1, 2, 3]
    assert curve(longer)[:2] == curve(first)


def test_a_resumed_run_cannot_become_another_experiment() -> None:
    result = cnnexp.train(**QUICK)
    with pytest.raises(SettingsError, match=r"lr = 0.5 .*cannot change in a resumed run"):
        cnnexp.train(resume=result.run_id, lr=0.5)


def test_a_run_whose_loss_breaks_is_failed_with_epoch_and_reason(client: MlflowClient) -> None:
    from cnnexp.models import MODELS, register_model

    @register_model("exploding")
    class Exploding(torch.nn.Linear):
        """Its logits leave float32."""

        def __init__(self, spec: cnnexp.ImageSpec) -> None:
            super().__init__(spec.channels * spec.height * spec.width, spec.num_classes)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images.flatten(1)) * 1e38 * 1e38

    try:
        result = cnnexp.train(**{**QUICK, "epochs": 20}, model="exploding")
    finally:
        MODELS.remove("exploding")
    run = client.get_run(result.run_id)
    assert (result.outcome.status, result.outcome.exit_code, len(result.history)) == (Status.FAILED, 1, 1)
    assert run.info.status == "FAILED"
    assert "loss became nan in epoch 1" in run.data.tags["cnnexp.reason"]
    assert not {"test/accuracy", "best/epoch"} & set(run.data.metrics)


def test_the_test_part_plays_no_role_in_training() -> None:  # W6
    from cnnexp.data.registry import DATASETS, ImageArrays, register_dataset

    def made(spoiled: bool) -> ImageArrays:
        random = np.random.default_rng(0)
        labels = np.arange(120) % 2
        images = random.integers(0, 90, (120, 12, 12), dtype=np.uint8)
        images[labels == 1, 6:] += 120
        test_images, test_labels = images[:20].copy(), labels[:20].copy()
        if spoiled:
            test_images, test_labels = random.integers(0, 255, (20, 12, 12), dtype=np.uint8), 1 - test_labels
        return ImageArrays(images, labels, ("low", "high"), test_images=test_images, test_labels=test_labels)

    results = []
    for spoiled in (False, True):

        @register_dataset(f"made-{spoiled}")
        def load(data_dir: Path, spoiled: bool = spoiled) -> ImageArrays:  # noqa: ARG001 - it is made, not read
            return made(spoiled)

        results.append(cnnexp.train(**{**QUICK, "fraction": 1.0}, dataset=f"made-{spoiled}", model="convnet"))
        DATASETS.remove(f"made-{spoiled}")
    assert curve(results[0]) == curve(results[1])
    assert results[0].metrics["test/accuracy"] != results[1].metrics["test/accuracy"]


PLUGIN = '''
import cnnexp
import numpy as np
from torch import nn

@cnnexp.register_model("mine")
def mine(spec: cnnexp.ImageSpec, *, width: int = 4) -> nn.Module:
    """A model of my own."""
    pixels = spec.channels * spec.height * spec.width
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.Linear(width, spec.num_classes))

@cnnexp.register_dataset("stripes")
def stripes(data_dir):
    labels = np.arange(80) % 2
    images = np.zeros((80, 10, 10), dtype=np.uint8)
    images[labels == 0, ::2] = 200
    images[labels == 1, :, ::2] = 200
    images += np.random.default_rng(0).integers(0, 50, images.shape, dtype=np.uint8)
    return cnnexp.ImageArrays(images, labels, ("rows", "columns"))
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    yield path
    from cnnexp.data.registry import DATASETS
    from cnnexp.models import MODELS

    for registry, name in ((MODELS, "mine"), (DATASETS, "stripes")):
        if name in registry:
            registry.remove(name)


def test_own_models_and_data_need_no_change_to_the_package(plugin: Path, client: MlflowClient) -> None:
    result = cnnexp.train(
        **{**QUICK, "fraction": 1.0},
        plugin=("mine.py",),
        model="mine",
        dataset="stripes",
        model_args={"width": 8},
    )
    assert result.class_names == ("rows", "columns")
    assert result.metrics["test/accuracy"] > 0.8
    assert client.get_run(result.run_id).data.params["model.width"] == "8"
    assert result.settings.plugins.plugin == (str(plugin),)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": "lennet"}, "did you mean 'lenet'"),
        ({"dataset": "digit"}, "did you mean 'digits'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"epohcs": 3}, "did you mean 'epochs'"),
        ({"batch_size": 0}, "at least 1"),
        ({"lr": float("nan")}, "finite"),
        ({"epochs": 0}, "at least 1"),
        ({"image_size": 8}, "lenet cannot take 8×8 images.*--image-size 16"),
        ({"batch_size": 5000}, "training part has .* use --batch-size"),
        ({"dataset": "folder:nowhere"}, "nowhere"),
        ({"model_args": {"activaton": "relu"}}, "did you mean 'activation'"),
        ({"model": "convnet", "model_args": {"widths": "abc"}}, r"widths = 'abc' .*list such as \[32, 64\]"),
        ({"device": "cuda:9"}, "not available"),
        ({"plugin": ("none.py",)}, "none.py"),
        ({"plugin": ("no_such_module",)}, "no_such_module"),
        ({"config": "none.yaml"}, "none.yaml"),
        ({"resume": "nobody"}, "nobody"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_run(
    client: MlflowClient, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        cnnexp.train(**settings)
    assert caught.value.exit_code == 2
    assert not runs_of(client)


def test_a_last_batch_of_one_image_trains_under_batch_norm() -> None:  # W3
    result = cnnexp.train(
        **{**QUICK, "fraction": 1.0, "epochs": 1}, model="convnet", batch_size=383, split="random"
    )
    assert len(result.history) == 1
    train = 1797 - round(1797 * 0.2) - round((1797 - round(1797 * 0.2)) * 0.2)
    assert train % 383 == 1


def test_a_watcher_hears_of_every_step_and_epoch() -> None:
    heard: list[object] = []

    class Ear(Listener):
        def started(self, facts: RunFacts) -> None:
            heard.append(facts.model)

        def batch(self, done: int, total: int) -> None:
            heard.append((done, total))

        def epoch(self, report: EpochReport) -> None:
            heard.append(report.epoch)

    cnnexp.train(**{**QUICK, "epochs": 1}, listener=Ear(), batch_size=Given("100", "--batch-size"))
    assert heard[0] == "lenet"
    assert heard[-1] == 1
    steps = [one for one in heard if isinstance(one, tuple)]
    assert steps == [(index + 1, len(steps)) for index in range(len(steps))]


def test_a_listener_that_fails_does_not_stop_a_run(client: MlflowClient) -> None:
    class Broken(Listener):
        def epoch(self, report: EpochReport) -> None:
            raise SystemExit(report.epoch)  # what a closed pipe makes of a terminal

    result = cnnexp.train(**QUICK, listener=Broken())
    assert client.get_run(result.run_id).info.status == "FINISHED"


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


def test_what_is_asked_for_by_name_must_have_an_effect() -> None:
    with pytest.raises(SettingsError, match=r"momentum = 0.5 .*has no effect with optimizer adam"):
        cnnexp.train(**QUICK, momentum=0.5)


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


def test_the_settings_a_run_carries_mean_the_same_from_another_folder(
    client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cnnexp.train(**QUICK, data_dir="my data", tracking_uri="sqlite:///mlflow.db")
    carried = artifacts(client.get_run(first.run_id)) / "settings.yaml"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    second = cnnexp.train(config=carried)
    assert second.settings.data.data_dir == str(tmp_path / "my data")
    assert {run.info.run_id for run in runs_of(client)} == {first.run_id, second.run_id}


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
