from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score

import cnnexp
from cnnexp.cli import cli
from cnnexp.errors import DataError, TrackingError, UnknownNameError, UserError
from cnnexp.experiment import Listener, Result
from cnnexp.results import evaluation_record
from cnnexp.results.evaluate import Evaluation, evaluate

LIES_IN = {"figures": "plots", "tables": "evaluation"}
QUICK: dict[str, Any] = {"epochs": 2, "fraction": 0.3, "figures": "none", "dataset": "digits", "threads": 1}


class Notes(Listener):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, _empty_store: Path) -> Iterator[Result]:
    """One run of LeNet on some digits, with its logged model."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield cnnexp.train(**QUICK, tracking_uri=f"sqlite:///{folder}/mlflow.db")


@pytest.fixture
def _drawn() -> None:
    """For a test that looks at figures."""


@pytest.fixture(autouse=True)
def _undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other test has an evaluation drawn: that takes a second."""
    if "_drawn" not in request.fixturenames:
        monkeypatch.setattr(evaluation_record, "draw_predictions", lambda *_, **__: None)
        monkeypatch.setattr(evaluation_record, "_draw_reliability", lambda *_: None)


def look(trained: Result, **asked: Any) -> Evaluation:
    return evaluate(trained.run_id, tracking_uri=trained.tracking_uri, **asked)


def photos(folder: Path, names: dict[int, str], count: int = 3) -> str:
    """Writes some digits as large colour photos, a folder for each name."""
    digits = load_digits()
    for label, name in names.items():
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(digits.images[digits.target == label][:count]):
            pixels = np.kron((image * 15).astype(np.uint8), np.ones((5, 7), np.uint8))
            Image.fromarray(pixels).convert("RGB").save(folder / name / f"{number}.png")
    return f"folder:{folder}"


def f1_of_scikit_learn(found: Evaluation) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = f1_score(
        found.found.labels, found.found.predicted, labels=range(10), average=None, zero_division=0.0
    )
    return scores


def test_the_own_test_part_gives_the_numbers_of_the_run_and_is_a_look_more(trained: Result) -> None:
    notes = Notes()
    found = look(trained, listener=notes)
    assert trained.test is not None
    assert (found.found.predicted == trained.test.predicted).all()
    assert found.metrics["eval/accuracy"] == trained.test.accuracy
    assert found.metrics["eval/loss"] == pytest.approx(trained.test.loss, rel=1e-6)
    assert found.metrics["eval/macro_f1"] == trained.metrics["test/macro_f1"]
    said = re.search(r"own test part, looked at before: look number (\d+)", notes.said[0])
    assert said is not None
    number = int(said[1])
    assert number >= 2  # the run itself has looked once
    again = look(trained, part="all")  # holds the test part, and more
    assert f"look number {number + 1}" in again.notes[-1]
    client = MlflowClient(trained.tracking_uri)
    assert client.get_run(again.run_id).data.tags["look"] == str(number + 1)


@pytest.mark.usefixtures("_drawn")
def test_an_evaluation_is_a_run_of_its_own_linked_to_run_and_model(trained: Result) -> None:
    client = MlflowClient(trained.tracking_uri)
    before = client.get_run(trained.run_id).to_dictionary()
    found = look(trained, part="val")
    run = client.get_run(found.run_id)
    assert client.get_run(trained.run_id).to_dictionary() == before  # the evaluated run stays as it is
    assert (run.info.status, run.data.tags["kind"]) == ("FINISHED", "evaluation")
    assert run.data.tags["evaluates"] == trained.run_id
    assert run.inputs is not None
    (model,) = run.inputs.model_inputs
    assert f"models:/{model.model_id}" == trained.model_uri
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.digest in found.subject.digest
    assert run.data.metrics["eval/ece"] == pytest.approx(found.reliability.error, rel=1e-5)
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    facts = json.loads((folder / "evaluation" / "facts.json").read_text())
    assert facts["images"] == sum(facts["images_per_class"]) == len(found.found.labels)
    assert "best epoch was chosen by these images" in facts["notes"][0]
    assert (folder / "plots" / "reliability.png").is_file()
    assert (folder / "plots" / "mistakes.png").is_file()
    rows = (folder / "evaluation" / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + facts["images"]


def test_who_says_last_after_an_evaluation_means_the_run_it_looked_at(trained: Result) -> None:
    look(trained, part="val")
    assert evaluate("last", part="val", tracking_uri=trained.tracking_uri).rebuilt.run_id == trained.run_id


def test_temperature_is_fitted_on_the_own_validation_part_only(trained: Result) -> None:
    of_val, of_test = look(trained, part="val", calibrate=True), look(trained, part="test", calibrate=True)
    assert of_val.calibrated is not None
    assert of_test.calibrated is not None
    assert of_val.calibrated.temperature == of_test.calibrated.temperature
    assert of_val.calibrated.val[0].error == of_val.reliability.error
    assert of_val.metrics["eval/loss_scaled"] <= of_val.metrics["eval/loss"]
    assert of_test.metrics["calibration/val_ece"] == of_val.metrics["eval/ece"]
    run = MlflowClient(trained.tracking_uri).get_run(of_test.run_id)
    assert run.data.metrics["calibration/temperature"] == pytest.approx(
        of_test.calibrated.temperature.value, rel=1e-5
    )


def test_photos_are_read_in_the_models_shape_and_matched_by_name(trained: Result, tmp_path: Path) -> None:
    dataset = photos(tmp_path / "some", {7: "7", 0: "0", 3: "3"})
    (tmp_path / "some" / "3" / "torn.png").write_bytes(b"")
    found = look(trained, dataset=dataset)
    assert found.subject.part_name == "all"
    assert found.found.labels.tolist() == [0, 0, 0, 3, 3, 3, 7, 7, 7]
    assert found.found.matrix.shape == (10, 10)
    assert "3 of the model's 10 classes" in found.notes[0]
    assert "1 images cannot be read" in found.notes[1]
    assert "torn.png" in found.notes[1]
    present = found.found.matrix.sum(axis=1) > 0
    assert found.metrics["eval/macro_f1"] == pytest.approx(
        f1_of_scikit_learn(found)[present].mean()
    )  # classes without images do not count


def test_classes_that_the_model_does_not_know_are_refused_by_name(trained: Result, tmp_path: Path) -> None:
    dataset = photos(tmp_path / "odd", {1: "1", 2: "kitty"}, count=1)
    runs = len(MlflowClient(trained.tracking_uri).search_runs(["1"]))
    with pytest.raises(DataError, match=r"does not know 'kitty'.*It knows 0, 1, 2.*the data have 1, kitty"):
        look(trained, dataset=dataset)
    assert len(MlflowClient(trained.tracking_uri).search_runs(["1"])) == runs


def test_classes_are_refused_before_an_image_is_decoded(
    trained: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = photos(tmp_path / "many", {1: "1", 2: "kitty"}, count=1)
    look(trained, dataset=photos(tmp_path / "known", {1: "1", 2: "2"}, count=1))

    def decoded(*_: object) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr("cnnexp.data.photos.read_photo", decoded)
    for calibrate in (False, True):
        with pytest.raises(DataError, match="does not know 'kitty'"):
            look(trained, dataset=dataset, calibrate=calibrate)


@pytest.mark.usefixtures("_drawn")
def test_the_terminal_says_what_was_made_and_where_it_is_seen(trained: Result) -> None:
    command = ["evaluate", trained.run_id, "--part", "val", "--tracking-uri", trained.tracking_uri]
    said = CliRunner().invoke(cli, command, catch_exceptions=False, env={"COLUMNS": "2000"}).stdout
    lines = dict(re.findall(r"^(\w+(?: \w+)*)  +(.*?) *$", said, flags=re.MULTILINE))
    run = MlflowClient(trained.tracking_uri).get_run(lines["run"].split()[-1])
    assert set(lines["metrics"].split(", ")) == set(run.data.metrics)
    folder = Path(lines["files in"])
    assert "plots/reliability.png" in lines["figures"].split(", ")
    for name in ("figures", "tables"):
        made = {path.relative_to(folder).as_posix() for path in folder.glob(f"{LIES_IN[name]}/*")}
        assert set(lines[name].split(", ")) == made
    assert lines["look"] == f"cnnexp ui --tracking-uri {trained.tracking_uri}"


def test_the_whole_of_other_data_counts_looks_at_its_parts_and_a_part_those_at_the_whole(
    trained: Result, tmp_path: Path
) -> None:
    photos(tmp_path / "parted" / "train", {1: "1", 2: "2"}, count=3)
    photos(tmp_path / "parted" / "test", {1: "1", 2: "2"}, count=2)
    dataset = f"folder:{tmp_path / 'parted'}"
    looks = [
        MlflowClient(trained.tracking_uri).get_run(found.run_id).data.tags["look"]
        for found in (look(trained, dataset=dataset, part=part) for part in ("test", "all", "train", "test"))
    ]
    assert looks == ["1", "2", "2", "3"]


def test_an_evaluation_that_stopped_is_a_look_too(
    trained: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = photos(tmp_path / "seen", {4: "4", 5: "5"}, count=2)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cnnexp.results.evaluation_record.draw_predictions", stopped)  # tables are written
        patch.setattr("cnnexp.tracking.run.Run.log_metrics", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            look(trained, dataset=dataset)
    assert "look number 2" in look(trained, dataset=dataset).notes[-1]


def test_an_evaluation_whose_model_cannot_be_looked_up_opens_no_run(
    trained: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise TrackingError("the store is away")

    runs = len(MlflowClient(trained.tracking_uri).search_runs(["1"]))
    monkeypatch.setattr("cnnexp.results.evaluate.logged_model", away)
    with pytest.raises(TrackingError, match="store is away"):
        look(trained, part="val")
    assert len(MlflowClient(trained.tracking_uri).search_runs(["1"])) == runs


def test_bad_input_is_one_sentence(trained: Result, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run 'nobody'"):
        evaluate("nobody", tracking_uri=trained.tracking_uri)
    with pytest.raises(UnknownNameError, match="'fashion'"):
        look(trained, dataset="fashion")
    dataset = photos(tmp_path / "few", {1: "1", 2: "2"}, count=1)
    with pytest.raises(DataError, match="has no val part of its own; it has train"):
        look(trained, dataset=dataset, part="val")


def test_own_data_that_have_changed_are_refused_and_moved_ones_are_known_again(
    ready_store: str, tmp_path: Path
) -> None:
    place = tmp_path / "photos"
    dataset = photos(place, {1: "one", 2: "two"}, count=30)
    result = cnnexp.train(
        dataset=dataset, epochs=1, batch_size=8, image_size=28, figures="none", log_model=False
    )
    moved = place.rename(tmp_path / "moved")
    found = evaluate(result.run_id, dataset=f"folder:{moved}", tracking_uri=ready_store)
    assert found.subject.is_own
    assert "own test part, looked at before: look number 2" in found.notes[-1]
    moved.rename(place)
    Image.new("L", (40, 56)).save(place / "one" / "new.png")
    with pytest.raises(DataError, match="have changed since run"):
        evaluate(result.run_id, tracking_uri=ready_store)
