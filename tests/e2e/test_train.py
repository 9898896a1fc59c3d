"""`cnnexp.train` in this process: what a run does and leaves behind."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient

import cnnexp
from cnnexp.experiment import Listener, RunFacts
from cnnexp.settings import Given
from cnnexp.training.checkpoint import BEST, LAST
from cnnexp.training.events import EpochReport, Status
from tests.e2e.runs import QUICK, Complaint, artifacts, curve, runs_of

pytestmark = pytest.mark.usefixtures("ready_store")


def test_the_record_says_what_was_built(client: MlflowClient) -> None:  # W17
    result = cnnexp.train(**QUICK, listener=Complaint(), tags={"course": "cv"}, run_name="first")
    run = client.get_run(result.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert run.data.params["model"] == "lenet"
    assert run.data.params["model.activation"] == "sigmoid"
    assert run.data.params["num_parameters"] == "44426"
    assert run.data.params["device"] == "cpu"  # what was built, not `auto`
    assert "momentum" not in run.data.params  # adam has none
    assert run.data.tags["course"] == "cv"
    assert "settings.yaml" in run.data.tags["mlflow.note.content"]
    assert run.inputs is not None
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {"digits"}
    found = "params.model = 'lenet' and metrics.`test/accuracy` >= 0 and attributes.run_name = 'first'"
    assert [one.info.run_id for one in client.search_runs([run.info.experiment_id], found)] == [
        run.info.run_id
    ]
    other = "params.model = 'mlp'"
    assert not client.search_runs([run.info.experiment_id], other)


def test_every_epoch_is_a_point_of_every_curve_and_the_test_part_is_measured_once(
    client: MlflowClient,
) -> None:
    result = cnnexp.train(**QUICK, listener=Complaint())
    assert result.history[0].metrics().keys() == {
        "train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "seconds", "images_per_second"
    }  # fmt: skip
    for name in result.history[0].metrics():
        assert [m.step for m in client.get_metric_history(result.run_id, name)] == [1, 2], name
    logged = client.get_run(result.run_id).data.metrics
    for name in ("best/epoch", "best/val_accuracy", "best/val_loss", "test/accuracy", "test/loss"):
        assert logged[name] == pytest.approx(result.metrics[name], rel=1e-5)
    assert len(client.get_metric_history(result.run_id, "test/accuracy")) == 1


FILES = {
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


def test_a_run_leaves_the_files_that_are_needed_to_judge_and_repeat_it(client: MlflowClient) -> None:  # W17
    result = cnnexp.train(listener=Complaint(), epochs=2, fraction=0.3)
    folder = artifacts(client.get_run(result.run_id))
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written >= FILES
    assert not {Path(path).suffix for path in written} & {".pkl", ".pt", ".pth", ".partial"}
    data = json.loads((folder / "data/dataset.json").read_text())
    with (folder / "test/confusion_matrix.csv").open() as file:
        rows = [[int(cell) for cell in row[1:]] for row in itertools.islice(csv.reader(file), 1, None)]
    assert np.sum(rows) == data["images"]["test"]
    assert np.sum(rows, axis=1).tolist() == data["images_per_class"]["test"]  # a row is a true class
    assert np.trace(rows) / np.sum(rows) == pytest.approx(result.metrics["test/accuracy"])


def test_the_epoch_table_grows_with_every_epoch() -> None:
    seen: list[tuple[int, int]] = []

    class Reader(Listener):
        def epoch(self, report: EpochReport) -> None:
            (table,) = Path("mlruns").rglob("epochs.csv")
            seen.append((report.epoch, len(table.read_text().splitlines()) - 1))

    cnnexp.train(**QUICK, listener=Reader())
    assert seen == [(1, 1), (2, 2)]


@pytest.mark.parametrize("permute_pixels", [False, True])
def test_the_logged_model_takes_raw_images_and_gives_our_predictions(
    ready_store: str, permute_pixels: bool
) -> None:
    settings = {**QUICK, "log_model": True, "permute_pixels": permute_pixels}
    result = cnnexp.train(**settings, listener=Complaint())
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


def test_the_settings_a_run_carries_repeat_it_to_the_same_curve(client: MlflowClient) -> None:  # W17
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


def test_a_run_whose_loss_breaks_is_failed_with_epoch_and_reason(client: MlflowClient) -> None:
    from cnnexp.models import register_model

    @register_model("exploding")
    class Exploding(torch.nn.Linear):
        """Its logits leave float32."""

        def __init__(self, spec: cnnexp.ImageSpec) -> None:
            super().__init__(spec.channels * spec.height * spec.width, spec.num_classes)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images.flatten(1)) * 1e38 * 1e38

    result = cnnexp.train(**{**QUICK, "epochs": 20}, model="exploding")
    run = client.get_run(result.run_id)
    assert (result.outcome.status, result.outcome.exit_code, len(result.history)) == (Status.FAILED, 1, 1)
    assert run.info.status == "FAILED"
    assert "loss became nan in epoch 1" in run.data.tags["cnnexp.reason"]
    assert not {"test/accuracy", "best/epoch"} & set(run.data.metrics)


def test_the_test_part_plays_no_role_in_training() -> None:  # W6
    from cnnexp.data.registry import ImageArrays, register_dataset

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
    assert curve(results[0]) == curve(results[1])
    assert results[0].metrics["test/accuracy"] != results[1].metrics["test/accuracy"]


def test_a_last_batch_of_one_image_trains_under_batch_norm() -> None:  # W3
    # Maps of one pixel: a batch of one image would leave batch norm a single value per channel.
    settings = {**QUICK, "fraction": 1.0, "epochs": 1, "split": "random", "model": "convnet", "image_size": 3}
    result = cnnexp.train(**settings, batch_size=383)
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
