"""`cnnexp conv race` as it is typed, on a few tiny images."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from cnnexp.cli import cli
from cnnexp.errors import UserError
from cnnexp.experiment.race import race
from cnnexp.training.step import Stepper
from tests.e2e.runs import artifacts, runs_of

TINY: dict[str, Any] = {"image_size": 6, "fraction": 0.1, "epochs": 2, "model_args": {"widths": [2]}}


@pytest.mark.usefixtures("ready_store")
def test_a_race_is_a_run_with_a_child_for_each_algorithm_from_the_same_weights(client: MlflowClient) -> None:
    typed = ["--algorithms", "loop,im2col", "--image-size", "6", "--fraction", "0.1", "--epochs", "2"]
    done = CliRunner().invoke(cli, ["conv", "race", *typed, "--set", "widths=[2]", "--run-name", "r"])
    assert done.exit_code == 0, done.output
    assert done.output.count(": the same training to within rounding") == 2
    runs = {run.info.run_name: run for run in runs_of(client)}
    assert runs.keys() == {"r", "r-torch", "r-torch-rounded", "r-loop", "r-im2col"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent = runs.pop("r")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert {name: run.data.params["conv"] for name, run in runs.items()} == {
        "r-torch": "torch",
        "r-torch-rounded": "torch",
        "r-loop": "loop",
        "r-im2col": "im2col",
    }
    starts = {name: run.data.params["initial_weights"] for name, run in runs.items()}
    assert starts["r-torch"] == starts["r-loop"] == starts["r-im2col"] != starts["r-torch-rounded"]
    assert parent.data.metrics.keys() >= {"loop/times_torch", "im2col/times_torch"}
    written = {path.name for path in (artifacts(parent) / "race").iterdir()}
    assert written == {"epochs.csv", "race.png", "table.md"}


@pytest.mark.parametrize(
    ("algorithms", "settings", "sentence"),
    [
        (["imcol"], {}, "did you mean 'im2col'"),
        (["torch"], {}, "torch does not race alone"),
        (["winograd"], {"model_args": {"kernel_size": 5}}, r"layer conv1: winograd .*5×5"),
        (["im2col"], {"conv": "loop"}, "conv = 'loop' .*--algorithms"),
        (["im2col"], {"model": "mlp", "model_args": {}}, "'mlp' has no convolution"),
        (
            ["loop"],
            {"image_size": 28, "fraction": 1.0, "epochs": 100_000, "model_args": {}},
            r"loop will take about [\d.]+ h here.*say --yes",
        ),
    ],
)
@pytest.mark.usefixtures("ready_store")
def test_what_cannot_race_is_one_sentence_and_no_run(
    client: MlflowClient, algorithms: list[str], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        race(algorithms, **{**TINY, **settings})
    assert not runs_of(client)


@pytest.mark.usefixtures("ready_store")
def test_an_interrupted_race_says_so_and_leaves_no_run_open(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = iter(range(1000))
    real = Stepper.train_step

    def step(self: Stepper, *arguments: Any) -> Any:
        if next(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return real(self, *arguments)

    monkeypatch.setattr(Stepper, "train_step", step)
    result = race(["im2col"], tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", **TINY)
    assert result.outcome.exit_code == 130
    assert {run.info.status for run in runs_of(client)} == {"KILLED"}
