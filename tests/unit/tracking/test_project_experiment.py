from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from cnnexp.tracking.project_experiment import ProjectExperiment
from cnnexp.tracking.quiet import quiet_mlflow
from cnnexp.tracking.store import Store


@contextmanager
def typed(*words: str) -> Iterator[None]:
    """`mlflow run` with these words, up to where MLflow asks for the experiment."""
    with quiet_mlflow():
        from mlflow.cli import run as mlflow_run
    with mlflow_run.make_context("run", list(words)):
        yield


def project(folder: Path, name: str = "cnnexp") -> str:
    folder.mkdir(parents=True)
    (folder / "MLproject").write_text(f"name: {name}\n", encoding="utf-8")
    return str(folder)


def test_plugin_is_installed() -> None:
    names = [point.load() for point in entry_points(group="mlflow.default_experiment_provider")]
    assert ProjectExperiment in names


def test_run_of_our_project_belongs_to_us(tmp_path: Path) -> None:
    ours = project(tmp_path / "ours")
    inner = project(tmp_path / "outer" / "inner")
    for uri in (ours, f"file://{ours}", f"{Path(inner).parent}#inner"):
        with typed(uri, "-e", "train", "-P", "model=lenet"):
            assert ProjectExperiment().in_context(), uri


def test_other_projects_and_no_project_do_not(tmp_path: Path) -> None:
    other = project(tmp_path / "other", name="somebody-else")
    for uri in (other, str(tmp_path / "missing"), "https://example.org/cnnexp.git"):
        with typed(uri):
            assert not ProjectExperiment().in_context(), uri
    assert not ProjectExperiment().in_context()


def test_experiment_that_the_user_names_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = project(tmp_path / "ours")
    for words in (("--experiment-name", "mine"), ("--experiment-id", "4")):
        with typed(ours, *words):
            assert not ProjectExperiment().in_context()
    for variable in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        with monkeypatch.context() as patch, typed(ours):
            patch.setenv(variable, "4")
            assert not ProjectExperiment().in_context()


def test_experiment_is_ours_in_the_store_of_this_folder(store: Store) -> None:
    assert ProjectExperiment().get_experiment_id() == store.experiment_id("cnnexp")
