"""The run that a model came from, by its URI: `models:/NAME@alias`, `models:/m-...`, `runs:/ID/model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnexp.errors import TrackingError
from cnnexp.tracking.opening import tracking_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, models:/NAME/latest, models:/m-ID or runs:/RUN_ID/model"


def is_model_uri(text: str) -> bool:
    """Tells a model's URI from the name of a run."""
    return text.startswith(("models:/", "runs:/"))


def run_of_model(client: MlflowClient, uri: str) -> str:
    """Returns the id of the run that a model was logged by.

    Raises:
        TrackingError: the URI has another form, or there is no such model.
    """
    from mlflow.exceptions import MlflowException

    scheme, _, path = uri.partition(":/")
    name, _, rest = path.strip("/").partition("/")
    if not name:
        raise TrackingError(f"{uri!r} names no model; give {_FORMS}.")
    try:
        if scheme == "runs":
            return str(client.get_run(name).info.run_id)
        if name.startswith("m-") and not rest:
            return _source_of(client, name, uri)
        version = _version(client, name, rest, uri)
    except MlflowException as error:
        raise TrackingError(f"no model {uri!r} in this store; `cnnexp runs` lists the runs.") from error
    if version.run_id:
        return str(version.run_id)
    return _source_of(client, (version.source or "").removeprefix("models:/"), uri)


def logged_model_of(client: MlflowClient, run_id: str) -> str | None:
    """Returns the id, `m-...`, of the latest model that a run has logged; None where it has none.

    Raises:
        TrackingError: no such run, or the store is away.
    """
    with tracking_errors(f"the models of run {run_id!r} cannot be read"):
        outputs = client.get_run(run_id).outputs
    models = outputs.model_outputs if outputs is not None else []
    latest = max(models, key=lambda one: one.step, default=None)
    return None if latest is None else str(latest.model_id)


def _version(client: MlflowClient, name: str, rest: str, uri: str) -> ModelVersion:
    registered, sign, alias = name.partition("@")
    if sign:
        return client.get_model_version_by_alias(registered, alias)
    if rest == "latest":
        found = client.search_model_versions(f"name = '{name}'", order_by=["version_number DESC"])
        if found:
            return found[0]
        raise TrackingError(f"no model {uri!r} in this store; `cnnexp register` makes one.")
    if not rest.isdigit():
        raise TrackingError(f"{uri!r} names no version of a model; give {_FORMS}.")
    return client.get_model_version(name, rest)


def _source_of(client: MlflowClient, model_id: str, uri: str) -> str:
    run_id = client.get_logged_model(model_id).source_run_id
    if not run_id:
        raise TrackingError(f"model {uri!r} belongs to no run; give a run, or a model that a run has logged.")
    return str(run_id)
