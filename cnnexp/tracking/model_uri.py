"""The model that a URI means, and its run: `models:/NAME@alias`, `models:/m-...`, `runs:/ID/model`."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from cnnexp.errors import TrackingError
from cnnexp.tracking.opening import tracking_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

OF_MODELS = "models:/"
_FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, models:/NAME/latest, models:/m-ID or runs:/RUN_ID/model"


def is_model_uri(text: str) -> bool:
    """Tells a model's URI from the name of a run."""
    return text.startswith((OF_MODELS, "runs:/"))


@dataclass(frozen=True, slots=True)
class Meant:
    """What a text means that names a run or a model.

    Attributes:
        run_id: of the run.
        model_id: `m-...`, of the very model that the text names; None where it names the run.
    """

    run_id: str
    model_id: str | None = None


def meant_by(client: MlflowClient, uri: str) -> Meant:
    """Returns the model that a URI names, and the run that logged it.

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
            return Meant(str(client.get_run(name).info.run_id))
        if name.startswith("m-") and not rest:
            return Meant(_source_of(client, name, uri), name)
        version = _version(client, name, rest, uri)
    except MlflowException as error:
        raise TrackingError(f"no model {uri!r} in this store; `cnnexp runs` lists the runs.") from error
    model_id = (version.source or "").removeprefix(OF_MODELS)
    run_id = str(version.run_id) if version.run_id else _source_of(client, model_id, uri)
    return Meant(run_id, model_id if model_id.startswith("m-") else None)


def logged_model(client: MlflowClient, run_id: str) -> str | None:
    """Returns the id, `m-...`, of the latest model that a run has logged; None where it has none.

    Raises:
        TrackingError: no such run, or the store is away.
    """
    with tracking_errors(f"the models of run {run_id!r} cannot be read"):
        for model_id, _ in sorted(_steps(client, run_id).items(), key=itemgetter(1), reverse=True):
            if str(client.get_logged_model(model_id).status) == "READY":
                return model_id
    return None


def epoch_of_model(client: MlflowClient, run_id: str, model_id: str) -> int | None:
    """Returns the epoch whose weights a logged model of a run has; None where the run does not say.

    Raises:
        TrackingError: no such run, or the store is away.
    """
    with tracking_errors(f"the models of run {run_id!r} cannot be read"):
        return _steps(client, run_id).get(model_id)


def _steps(client: MlflowClient, run_id: str) -> dict[str, int]:
    """Returns the epochs of the models that a run has logged, by id."""
    outputs = client.get_run(run_id).outputs
    return {str(one.model_id): one.step for one in outputs.model_outputs} if outputs else {}


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
