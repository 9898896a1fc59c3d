"""A tiny sweep from the command's function to files: two cells, two seeds."""

from __future__ import annotations

import csv
from typing import Any

import yaml
from mlflow import MlflowClient

from cnnexp import sweep
from cnnexp.training.events import Status
from tests.e2e.runs import artifacts, runs_of

TINY: dict[str, Any] = {
    "vary": {"kernel_size": "3,5"},
    "seeds": 2,
    "epochs": 1,
    "fraction": 0.1,
    "jobs": 1,
    "study": "tiny",
}


def test_a_sweep_trains_every_cell_on_equal_seeds_and_more_seeds_go_on(client: MlflowClient) -> None:
    first = sweep(**TINY)
    assert first.outcome.status is Status.COMPLETED
    parent = client.get_run(first.run_id)
    children = [run for run in runs_of(client) if run.data.tags.get("mlflow.parentRunId") == first.run_id]
    assert sorted((run.data.params["kernel_size"], run.data.params["seed"]) for run in children) == [
        ("3", "0"),
        ("3", "1"),
        ("5", "0"),
        ("5", "1"),
    ]
    assert not [name for run in (parent, *children) for name in run.data.metrics if "test" in name]
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}

    assert (artifacts(parent) / "environment" / "command.txt").is_file()
    chosen = [yaml.safe_load((artifacts(run) / "chosen.yaml").read_text()) for run in children]
    assert all({"epochs", "fraction"} <= one.keys() for one in chosen)
    assert not [one for one in chosen if "threads" in one]  # which the worker decides

    folder = artifacts(parent) / "study"
    figures = {"curves_kernel_size.png", "cells.png", "main_effects.png"}
    tables = {"table.csv", "table.md", "table.tex", "cells.json", "sweep.json"}
    assert {file.name for file in folder.iterdir()} == figures | tables
    rows = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    assert [row["seeds"] for row in rows] == ["2", "2"]
    of_five = [
        run.data.metrics["best/val_accuracy"] for run in children if run.data.params["kernel_size"] == "5"
    ]
    told = next(float(row["val_accuracy_mean"]) for row in rows if row["kernel_size"] == "5")
    assert abs(told - sum(of_five) / 2) < 1e-5
    assert (
        "within the noise" in parent.data.tags["mlflow.note.content"]
        or "best" in parent.data.tags["mlflow.note.content"]
    )

    again = sweep(**{**TINY, "seeds": 3})
    assert again.run_id == first.run_id
    assert [sorted(cell.accuracies) for cell in again.cells] == [[0, 1, 2]] * 2
    assert len(runs_of(client)) == 7
    kept = {cell.params["kernel_size"]: cell.accuracies[0] for cell in first.cells}
    assert {cell.params["kernel_size"]: cell.accuracies[0] for cell in again.cells} == kept
