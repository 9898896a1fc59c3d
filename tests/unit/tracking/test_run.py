from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from cnnexp.tracking.run import Run, rounded
from cnnexp.tracking.store import Store
from cnnexp.training.events import Outcome, Status


@pytest.fixture
def run(store: Store, experiment: str, problems: list[str]) -> Run:
    return store.create_run(experiment, run_name="lenet", on_problem=problems.append)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (Status.COMPLETED, "FINISHED"),
        (Status.STOPPED_EARLY, "FINISHED"),
        (Status.PRUNED, "FINISHED"),
        (Status.INTERRUPTED, "KILLED"),
        (Status.FAILED, "FAILED"),
    ],
)
def test_status_tells_the_truth(store: Store, run: Run, status: Status, shown: str) -> None:
    run.finish(Outcome(status, "because"))
    found = store.client.get_run(run.id)
    assert found.info.status == shown
    assert found.info.end_time is not None
    assert found.data.tags["cnnexp.status"] == status.value
    assert found.data.tags["cnnexp.reason"] == "because"


def test_every_status_has_its_counterpart() -> None:
    from cnnexp.tracking.run import _MLFLOW_STATUS

    assert set(_MLFLOW_STATUS) == set(Status)


def test_values_are_rounded_to_six_digits_and_infinities_become_nan() -> None:
    assert rounded(0.872999966144561) == 0.873
    assert rounded(1234567.0) == 1234570.0
    assert rounded(1.23456789e-12) == 1.23457e-12
    assert rounded(0.0) == 0.0
    assert math.isnan(rounded(math.inf))
    assert math.isnan(rounded(-math.inf))
    assert math.isnan(rounded(math.nan))


def test_epoch_is_one_call(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    log_batch = store.client.log_batch
    monkeypatch.setattr(store.client, "log_batch", lambda *a, **k: calls.append(1) or log_batch(*a, **k))  # type: ignore[func-returns-value] # counts
    run.log_epoch(3, {"train/loss": 0.872999966144561, "val/loss": math.inf})
    assert len(calls) == 1
    (point,) = store.client.get_metric_history(run.id, "train/loss")
    assert (point.step, point.value) == (3, 0.873)
    (point,) = store.client.get_metric_history(run.id, "val/loss")
    assert math.isnan(point.value)


def test_params_are_text_and_a_second_value_changes_nothing(
    store: Store, run: Run, problems: list[str]
) -> None:
    run.log_params({"lr": 0.1, "nesterov": False, "patience": None})
    run.log_params({"lr": 0.2, "epochs": 5})
    expected = {"lr": "0.1", "nesterov": "False", "patience": "None", "epochs": "5"}
    assert store.client.get_run(run.id).data.params == expected
    assert problems == []


def test_files_lie_where_mlflow_shows_them(store: Store, run: Run) -> None:
    figure = Figure(figsize=(2, 1))
    run.log_text("schwarz-weiß\n", "notes.txt")
    run.log_json({"names": ("é", 1)}, "data/dataset.json")
    run.log_figure(figure, "plots/curves.png")
    shown = {
        info.path
        for folder in (None, "data", "plots")
        for info in store.client.list_artifacts(run.id, folder)
    }
    assert shown == {"notes.txt", "data", "data/dataset.json", "plots", "plots/curves.png"}
    assert json.loads((run.folder / "data" / "dataset.json").read_text(encoding="utf-8")) == {
        "names": ["é", 1]
    }
    assert (run.folder / "plots" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_figure_that_fails_half_way_leaves_no_file(run: Run) -> None:
    class Broken(Figure):
        def savefig(self, fname: object, **_: object) -> None:
            assert isinstance(fname, Path)
            fname.write_bytes(b"half")
            raise ValueError("no such glyph")

    with pytest.raises(ValueError, match="glyph"):
        run.log_figure(Broken(), "curves.png")
    assert list(run.folder.iterdir()) == []


def test_data_set_is_an_input_with_its_digest_cut(store: Store, run: Run) -> None:
    for context in ("train", "test"):
        run.log_dataset("digits", "sha256:" + "0123456789abcdef" * 4, "scikit-learn", context)
    found = store.client.get_run(run.id).inputs
    assert found is not None
    inputs = found.dataset_inputs
    assert {one.dataset.digest for one in inputs} == {"sha256:0123456789abcdef0123456789abc"}
    assert json.loads(inputs[0].dataset.source) == {"uri": "scikit-learn"}
    assert inputs[0].tags[0].value == "train"


def test_description_and_long_tags_fit(store: Store, run: Run, problems: list[str]) -> None:
    run.set_description("**LeNet**")
    run.set_tags({"long": "x" * 9000})
    run.finish(Outcome(Status.FAILED, "y" * 9000))
    tags = store.client.get_run(run.id).data.tags
    assert tags["mlflow.note.content"] == "**LeNet**"
    assert len(tags["long"]) == len(tags["cnnexp.reason"]) == 5000
    assert problems == []


def test_local_folder_stays_and_page_is_the_runs_own(run: Run) -> None:
    run.log_text("here", "a.txt")
    run.publish("a.txt")  # MLflow keeps it there: nothing to do
    run.finish(Outcome(Status.COMPLETED, "1 epoch"))
    assert [file.name for file in run.folder.iterdir()] == ["a.txt"]
    page = f"http://h:5000/#/experiments/{run.experiment_id}/runs/{run.id}?workflowType=machine_learning"
    assert run.page("http://h:5000/") == page
