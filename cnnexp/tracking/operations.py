"""What can be sent to a run: one function per kind, each from plain data that JSON can hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric

Operation = dict[str, Any]
Measurement = tuple[str, float, int, int]  # name, value, time in ms, step

TRIED = "tried"  # of an operation: it may have arrived, wholly or in part
_DIGEST_LIMIT = 36  # MLflow's
_SAVED = "cnnexp.saved"  # tag of a logged model: the folder that it was saved in, another one each time


@dataclass(frozen=True, slots=True)
class Target:
    """The run that operations are for.

    Attributes:
        run_id: of the run.
        experiment_id: of its experiment.
        folder: where its files are; an operation names files relative to it.
    """

    run_id: str
    experiment_id: str
    folder: Path


def perform(client: MlflowClient, target: Target, operation: Operation) -> None:
    """Carries out one operation; what the store answers is added to it."""
    _KINDS[operation["kind"]](client, target, operation)


def _batch(client: MlflowClient, target: Target, operation: Operation) -> None:
    from mlflow.entities import Param, RunTag

    client.log_batch(
        target.run_id,
        metrics=_metrics(operation.get("metrics", ())),
        params=[Param(name, value) for name, value in operation.get("params", {}).items()],
        tags=[RunTag(name, value) for name, value in operation.get("tags", {}).items()],
        synchronous=True,
    )


def _artifact(client: MlflowClient, target: Target, operation: Operation) -> None:
    path = Path(operation["path"])
    folder = None if path.parent == Path() else path.parent.as_posix()
    client.log_artifact(target.run_id, str(target.folder / path), folder)


def _dataset(client: MlflowClient, target: Target, operation: Operation) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=operation["name"],
        digest=operation["digest"][:_DIGEST_LIMIT],
        source_type="local",
        source=json.dumps({"uri": operation["location"]}),
    )
    context = InputTag("mlflow.data.context", operation["context"])
    client.log_inputs(target.run_id, [DatasetInput(dataset, [context])])


def _model(client: MlflowClient, target: Target, operation: Operation) -> None:
    """Makes a logged model of a saved one; tried again, also by another process, it is the same model."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    saved = target.folder / operation["path"]
    begun = _begun_model(client, target, operation)
    if begun is not None and begun.status == "READY":  # all of it arrived, and nobody could note that
        shutil.rmtree(saved, ignore_errors=True)
        return
    logged = begun or client.create_logged_model(
        target.experiment_id,
        name=operation["name"],
        source_run_id=target.run_id,
        params=operation["params"],
        tags={_SAVED: operation["path"]},
    )
    operation["model_id"] = model_id = logged.model_id
    model = Model.load(str(saved / "MLmodel"))
    model.model_id, model.run_id = model_id, target.run_id
    model.artifact_path = client.get_logged_model(model_id).artifact_location
    model.save(str(saved / "MLmodel"))
    client.log_model_artifacts(model_id, str(saved))
    client.log_batch(
        target.run_id,
        metrics=_metrics(operation["metrics"], model_id=model_id, run_id=target.run_id),
        synchronous=True,
    )
    if begun is None or model_id not in _linked_models(client, target):
        client.log_outputs(target.run_id, [LoggedModelOutput(model_id, operation["step"])])
    client.finalize_logged_model(model_id, "READY")
    shutil.rmtree(saved, ignore_errors=True)  # the store has it now


def _begun_model(client: MlflowClient, target: Target, operation: Operation) -> LoggedModel | None:
    """Returns what an earlier try has made, which may have been killed; None at the first try."""
    if not operation.get(TRIED):
        return None
    found: list[LoggedModel] = client.search_logged_models(
        [target.experiment_id], f"tags.`{_SAVED}` = '{operation['path']}'"
    )
    return next((one for one in found if one.source_run_id == target.run_id), None)


def _linked_models(client: MlflowClient, target: Target) -> set[str]:
    """Returns the models that a run is linked to: stores refuse a link that they have."""
    run = client.get_run(target.run_id)
    made = {str(one.model_id) for one in run.outputs.model_outputs} if run.outputs else set()
    return made | ({str(one.model_id) for one in run.inputs.model_inputs} if run.inputs else set())


def _model_input(client: MlflowClient, target: Target, operation: Operation) -> None:
    from mlflow.entities import LoggedModelInput

    if operation.get(TRIED) and operation["model_id"] in _linked_models(client, target):
        return
    client.log_inputs(target.run_id, models=[LoggedModelInput(operation["model_id"])])


def _end(client: MlflowClient, target: Target, operation: Operation) -> None:
    client.set_terminated(target.run_id, operation["status"], operation["time"])


def _metrics(measurements: Sequence[Measurement], **link: str) -> list[Metric]:
    from mlflow.entities import Metric

    return [Metric(name, value, time, step, **link) for name, value, time, step in measurements]


_KINDS: dict[str, Callable[[MlflowClient, Target, Operation], None]] = {
    "batch": _batch,
    "artifact": _artifact,
    "dataset": _dataset,
    "model": _model,
    "model input": _model_input,
    "end": _end,
}
