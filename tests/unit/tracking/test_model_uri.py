from __future__ import annotations

import re

import pytest
from mlflow.entities import LoggedModelOutput

from cnnexp.errors import TrackingError
from cnnexp.tracking.model_registry import register_version
from cnnexp.tracking.model_uri import Meant
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store


@pytest.fixture(autouse=True)
def default_store(store: Store) -> None:
    """MLflow's registry looks logged models up in the default store."""
    import mlflow

    mlflow.set_tracking_uri(store.uri)


def log_model(store: Store, run: Run, epoch: int) -> str:
    """Returns the id of a logged model, of which the store knows that it is."""
    model = store.client.create_logged_model(run.experiment_id, name="model", source_run_id=run.id)
    store.client.log_outputs(run.id, [LoggedModelOutput(model.model_id, epoch)])
    store.client.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


@pytest.fixture
def run(store: Store, experiment: str) -> Run:
    """A run that has logged nothing yet."""
    return store.create_run(experiment, run_name="lenet")


@pytest.fixture
def zoo(store: Store, run: Run) -> str:
    """A model of two versions, of which the first is the champion."""
    for epoch, alias in ((1, "champion"), (2, None)):
        register_version(store, Meant(run.id, log_model(store, run, epoch)), "zoo", alias=alias)
    return "zoo"


def test_a_missing_alias_or_version_names_those_that_there_are_and_how_to_make_one(
    store: Store, zoo: str
) -> None:
    there = rf"Aliases of {zoo}: champion \(version 1\); versions: 2, 1. `cnnexp register RUN {zoo} --alias"
    for uri, missing in {
        "models:/zoo@nobody": "zoo has no alias 'nobody'.",
        "models:/zoo@champoin": "zoo has no alias 'champoin'; did you mean 'champion'?",
        "models:/zoo/7": "zoo has no version 7.",
        "models:/zoo": "give models:/NAME@ALIAS",
        "models:/zoo/Production": "give models:/NAME@ALIAS",
    }.items():
        with pytest.raises(
            TrackingError, match=f"no model '{uri}' in this store: {re.escape(missing)}.* {there}"
        ):
            store.find_model(uri)


def test_a_name_that_nobody_registered_gets_the_nearest_and_all(store: Store, zoo: str) -> None:
    with pytest.raises(TrackingError, match=f"registered as 'zooo'; did you mean '{zoo}'.* Registered: zoo"):
        store.find_model("models:/zooo@champion")
    with pytest.raises(TrackingError, match=r"registered as \"it's\".* `cnnexp register RUN it's` gives"):
        store.find_model("models:/it's/latest")


def test_a_model_without_versions_says_so(store: Store) -> None:
    store.client.create_registered_model("empty")
    with pytest.raises(TrackingError, match=r"no version latest\. Aliases of empty: none; versions: none"):
        store.find_model("models:/empty/latest")


def test_a_version_is_the_very_model_that_its_source_means(store: Store, run: Run) -> None:
    first, second = log_model(store, run, 1), log_model(store, run, 2)
    client = store.client
    client.create_registered_model("zoo")
    sources = {
        f"models:/{first}": first,
        client.get_logged_model(first).artifact_location: first,  # as MLflow's page does
        f"runs:/{run.id}/model": second,  # MLflow loads the latest by it
        "models:/zoo/1": first,  # a copy
    }
    for source, model_id in sources.items():
        version = client.create_model_version("zoo", source, run_id=run.id)
        assert store.find_model(f"models:/zoo/{version.version}") == Meant(run.id, model_id)
    assert store.find_model("models:/zoo@latest") == store.find_model("models:/zoo/latest")


def test_a_version_that_is_no_models_of_a_run_is_refused_not_taken_for_the_runs_best(
    store: Store, run: Run
) -> None:
    log_model(store, run, 1)
    store.client.create_registered_model("zoo")
    store.client.create_model_version("zoo", "file:///elsewhere/model", run_id=run.id)
    store.client.create_model_version("zoo", f"runs:/{run.id}/other", run_id=run.id)
    with pytest.raises(TrackingError, match=r"version 1 of zoo, whose files file:///elsewhere/model are no"):
        store.find_model("models:/zoo/1")
    with pytest.raises(TrackingError, match=rf"the run has logged model; give the run itself, {run.id}"):
        store.find_model("models:/zoo/2")


def test_a_run_uri_means_the_runs_latest_model_of_that_name(store: Store, run: Run) -> None:
    with pytest.raises(TrackingError, match="the run has logged no model; give the run itself"):
        store.find_model(f"runs:/{run.id}/model")
    latest, _ = [log_model(store, run, epoch) for epoch in (3, 1)]
    assert store.find_model(f"runs:/{run.id}/model") == Meant(run.id, latest)
    assert store.find_model(f"runs:/{run.id}") == Meant(run.id)
