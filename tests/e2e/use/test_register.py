"""`cnnexp register`: names in MLflow's registry, accepted wherever a run is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from cnnexp.cli import cli
from cnnexp.errors import UserError
from tests.e2e.use.conftest import Vehicles


@pytest.fixture
def store(vehicles: Vehicles) -> str:
    """A copy, for what is registered stays."""
    with sqlite3.connect(vehicles.folder / "mlflow.db") as source, sqlite3.connect("copy.db") as copy:
        source.backup(copy)  # a file alone lacks what is written ahead
    source.close()
    copy.close()
    return f"sqlite:///{Path.cwd()}/copy.db"


def registered(store: str, *arguments: str) -> Result:
    result = CliRunner().invoke(
        cli, ["register", "--tracking-uri", store, *arguments], catch_exceptions=False
    )
    assert result.exit_code == 0
    return result


def test_a_registered_model_is_a_run_everywhere(vehicles: Vehicles, store: str) -> None:
    first = registered(store, "last", "my vehicles", "--alias", "champion")
    assert first.stdout == "models:/my vehicles@champion\n"
    assert not Path("mlflow.db").exists()  # nothing is looked for in another store
    assert first.stderr == "Registered as version 1 of my vehicles.\n"
    version = MlflowClient(store).get_model_version_by_alias("my vehicles", "champion")
    assert (version.run_id, version.source) == (vehicles.result.run_id, vehicles.result.model_uri)

    again = registered(store, "models:/my vehicles@champion", "my vehicles")
    assert again.stdout == "models:/my vehicles/1\n"
    assert again.stderr == "It is version 1 of my vehicles.\n"
    photo = str(vehicles.photos[0])
    rows = [
        CliRunner().invoke(cli, ["predict", "--tracking-uri", store, run, photo]).stdout
        for run in ("vehicles", "models:/my vehicles@champion", "models:/my vehicles/1")
    ]
    assert rows[0].startswith("file,class,probability\n")
    assert rows == [rows[0]] * 3


def test_an_alias_that_moves_says_from_where(store: str) -> None:
    client = MlflowClient(store)
    client.create_registered_model("zoo")
    client.create_model_version("zoo", "file:///elsewhere")
    client.set_registered_model_alias("zoo", "champion", "1")
    said = registered(store, "last", "zoo", "--alias", "champion")
    assert said.stderr == "Registered as version 2 of zoo; champion was version 1.\n"
    assert int(client.get_model_version_by_alias("zoo", "champion").version) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nobody", "zoo"], "no run 'nobody'"),
        (["last", "a/b"], "a model cannot be named 'a/b'"),
        (["last", "m-1"], "a model cannot be named 'm-1'"),
        (["last", "zoo", "--alias", "latest"], "--alias 'latest': use letters"),
        (["last", "zoo", "--alias", "v2"], "--alias 'v2': use letters"),
        (["last", "zoo", "--alias", "the best"], "--alias 'the best': use letters"),
    ],
)
def test_names_that_no_uri_could_hold_are_refused(store: str, arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(cli, ["register", "--tracking-uri", store, *arguments])
    assert isinstance(result.exception, UserError)
    assert sentence in str(result.exception)
    assert not MlflowClient(store).search_registered_models()
