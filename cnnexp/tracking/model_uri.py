"""The model that a URI means, and its run: `models:/NAME@alias`, `models:/m-...`, `runs:/ID/model`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnexp.errors import TrackingError
from cnnexp.tracking.model_versions import find_version
from cnnexp.tracking.opening import tracking_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

OF_MODELS, OF_RUNS = "models:/", "runs:/"
_FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, models:/NAME/latest, models:/m-ID or runs:/RUN_ID/model"


def is_model_uri(text: str) -> bool:
    """Tells a model's URI from the name of a run."""
    return text.startswith((OF_MODELS, OF_RUNS))


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
            return _of_run(client, name, rest, uri)
        if name.startswith("m-") and not rest:
            return _of_model(client, name, uri)
        return _of_version(client, find_version(client, uri, forms=_FORMS), uri)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise TrackingError(f"no model {uri!r} in this store; `cnnexp runs` lists the runs.") from error


def logged_model(client: MlflowClient, run_id: str) -> str | None:
    """Returns the id, `m-...`, of the latest model that a run has logged; None where it has none.

    Raises:
        TrackingError: no such run, or the store is away.
    """
    with tracking_errors(f"the models of run {run_id!r} cannot be read"):
        for model_id in _latest_first(client, run_id):
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


def _latest_first(client: MlflowClient, run_id: str) -> list[str]:
    """Returns the ids of the models that a run has logged."""
    steps = _steps(client, run_id)
    return sorted(steps, key=steps.__getitem__, reverse=True)


def _steps(client: MlflowClient, run_id: str) -> dict[str, int]:
    """Returns the epochs of the models that a run has logged, by id."""
    outputs = client.get_run(run_id).outputs
    return {str(one.model_id): one.step for one in outputs.model_outputs} if outputs else {}


def _of_model(client: MlflowClient, model_id: str, uri: str) -> Meant:
    run_id = client.get_logged_model(model_id).source_run_id
    if not run_id:
        raise TrackingError(f"model {uri!r} belongs to no run; give a run, or a model that a run has logged.")
    return Meant(str(run_id), model_id)


def _of_run(client: MlflowClient, run_id: str, model_name: str, uri: str) -> Meant:
    """Reads `runs:/ID/NAME` as MLflow does: of the run's models of that name the latest."""
    run_id = str(client.get_run(run_id).info.run_id)
    if not model_name:
        return Meant(run_id)
    models = [client.get_logged_model(model_id) for model_id in _latest_first(client, run_id)]
    for model in models:
        if model.name == model_name:
            return Meant(run_id, str(model.model_id))
    names = ", ".join(sorted({str(model.name) for model in models}))
    raise TrackingError(
        f"no model {uri!r} in this store: the run has logged {names or 'no model'}; give the run itself, "
        f"{run_id}, for the weights that it keeps."
    )


def _of_version(client: MlflowClient, version: ModelVersion, uri: str) -> Meant:
    """Follows a version to the logged model that it is; its `run_id` alone does not say of which epoch.

    MLflow's own API and page register by `models:/m-ID`, `runs:/ID/NAME`, by another version (a copy), or
    by the place where the files of the model are.
    """
    source = str(version.source or "")
    if source.startswith(OF_MODELS):
        return meant_by(client, source)
    if source.startswith(OF_RUNS):
        return _of_run(client, *_run_and_name(source), uri)
    for model_id in _latest_first(client, version.run_id) if version.run_id else ():
        if str(client.get_logged_model(model_id).artifact_location).rstrip("/") == source.rstrip("/"):
            return Meant(str(version.run_id), model_id)
    raise TrackingError(
        f"{uri} is version {version.version} of {version.name}, whose files {source or 'nowhere'} are no "
        f"model that a run of this store has logged: `cnnexp register RUN {version.name}` makes a version of "
        "a run's model, and mlflow.pyfunc.load_model loads any."
    )


def _run_and_name(source: str) -> tuple[str, str]:
    run_id, _, name = source.removeprefix(OF_RUNS).strip("/").partition("/")
    return run_id, name
