"""Finds runs: by id, by the start of an id, by name, the last one, the most recent ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cnnexp.errors import TrackingError, did_you_mean
from cnnexp.tracking import ownership
from cnnexp.tracking.model_uri import Meant, is_model_uri, meant_by
from cnnexp.training.events import TOTAL_SECONDS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

_OWN_RUN = "tags.kind != 'trial'"  # of a study
ONE_OF_ALL = {  # condition and order that find the run of a name
    "last": (f"tags.{ownership.PID} != ''", "attributes.start_time DESC"),
    "best": ("attributes.status = 'FINISHED' and tags.kind = 'run'", "metrics.`best/val_accuracy` DESC"),
}
_ABOUT_OTHERS = {"evaluation", "comparison"}  # kinds; who says `last` after one means the run it looked at
_LISTED = 10  # candidates that a message about an ambiguous name shows


class AmbiguousRunError(TrackingError):
    """More than one run is meant; the message lists them."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, as a list shows it.

    Attributes:
        run_id: 32 hex digits.
        name: as the user or MLflow chose it.
        experiment: the experiment's name.
        status: MLflow's: RUNNING, FINISHED, FAILED, KILLED, SCHEDULED.
        outcome: ours: completed, stopped early, ...; the empty string where the run is not ours.
        reason: the sentence that goes with the outcome.
        started: local time.
        seconds: of all its epochs so far (`training_seconds`); None of a run without any.
        metrics: latest value of each.
        params: as text.
        tags: as text; `kind` says what the run is: run, trial, study, sweep, ...
    """

    run_id: str
    name: str
    experiment: str
    status: str
    outcome: str
    reason: str
    started: datetime
    seconds: float | None
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]


def recent_runs(client: MlflowClient, count: int, experiment: str | None) -> list[RunRow]:
    """Returns the latest runs, newest first.

    Raises:
        TrackingError: no experiment of that name.
    """
    names = experiment_names(client)
    if experiment is not None:
        names = {key: name for key, name in names.items() if name == experiment}
        if not names:
            raise unknown_experiment(client, experiment)
    runs = client.search_runs(list(names), order_by=["attributes.start_time DESC"], max_results=count)
    return [row_of(run, names) for run in runs]


def runs_of_study(client: MlflowClient, study: str) -> list[str]:
    """Returns the ids of a study's own run and of its trials' runs."""
    names = list(experiment_names(client))
    return [run.info.run_id for run in all_where(client, names, _of_study(study))]


def all_where(
    client: MlflowClient, experiment_ids: list[str], condition: str, order: list[str] | None = None
) -> list[MlflowRun]:
    """Returns all runs that meet a condition, however many they are."""
    found: list[MlflowRun] = []
    token = None
    while True:  # a page has 1,000
        page = client.search_runs(experiment_ids, condition, order_by=order, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def experiment_of_study(client: MlflowClient, study: str) -> str:
    """Returns the id of the experiment that a study's own run is in.

    Raises:
        TrackingError: no such study in this store.
    """
    names = list(experiment_names(client))
    found = client.search_runs(names, f"{_of_study(study)} and {_OWN_RUN}", max_results=1)
    if not found:
        raise _unknown_study(client, study)
    return str(found[0].info.experiment_id)


def _unknown_study(client: MlflowClient, study: str) -> TrackingError:
    runs = client.search_runs(list(experiment_names(client)), f"tags.study != '' and {_OWN_RUN}")
    studies = {one.data.tags["study"] for one in runs}
    return TrackingError(
        f"no study {study!r} in this store{did_you_mean(study, studies)} "
        f"Studies: {', '.join(sorted(studies)) or 'none'}."
    )


def _of_study(study: str) -> str:
    quote = '"' if "'" in study else "'"
    return f"tags.study = {quote}{study}{quote}"


def find_trial(client: MlflowClient, study: str, number: int) -> str:
    """Returns the id of the run of a study's trial; of several attempts the last.

    Raises:
        TrackingError: no such study in this store, or no such trial in it.
    """
    names = list(experiment_names(client))
    of_study = f"{_of_study(study)} and tags.kind = 'trial'"
    newest = ["attributes.start_time DESC"]
    found = client.search_runs(names, f"{of_study} and tags.trial_number = '{number}'", order_by=newest)
    if found:
        return str(found[0].info.run_id)
    trials = client.search_runs(names, of_study, order_by=newest, max_results=1)
    if trials:
        last = trials[0].data.tags["trial_number"]
        raise TrackingError(f"study {study!r} has no trial {number}; its latest is {last}.")
    raise _unknown_study(client, study)


def find_run(client: MlflowClient, text: str) -> Meant:
    """Returns the one run that is meant, and the model where the text is the URI of one.

    Args:
        client: the store.
        text: a run id, the unique start of one (4 characters or more), a run's exact name, `last`, `best`
            (the highest best validation accuracy of all finished runs), or the URI of a model of the run.

    Raises:
        TrackingError: none or several match; the message lists the candidates.
    """
    if is_model_uri(text):
        return meant_by(client, text)
    names = experiment_names(client)
    if text in ONE_OF_ALL:
        found = _first(client, list(names), *ONE_OF_ALL[text])
    else:
        found = [run for condition in _conditions(text) for run in _matching(client, list(names), condition)]
    exact = [run for run in found if run.info.run_id == text.lower()]
    unique = {run.info.run_id: run for run in exact or found}
    if len(unique) == 1:
        return Meant(next(iter(unique)))
    if not unique and text in ONE_OF_ALL:
        finished = "" if text == "last" else "finished "
        raise TrackingError(f"there is no {finished}run in this store yet; `cnnexp train` makes the first.")
    if not unique:
        of_model = f" A registered model is models:/{text}." if "@" in text else ""
        raise TrackingError(f"no run {text!r} in this store; `cnnexp runs` lists what there is.{of_model}")
    listed = [_line(row_of(run, names)) for run in unique.values()]
    more = ["  …"] if len(listed) > _LISTED else []
    raise AmbiguousRunError(
        "\n".join([f"{text!r} is more than one run; give the id of one:", *listed[:_LISTED], *more])
    )


def unknown_experiment(client: MlflowClient, experiment: str) -> TrackingError:
    """Returns what to raise for a name that no experiment has: it names the nearest and lists all."""
    known = sorted(experiment_names(client).values())
    hint = did_you_mean(experiment, known)
    return TrackingError(
        f"no experiment {experiment!r} in this store{hint} Known: {', '.join(known) or 'none'}."
    )


def experiment_names(client: MlflowClient) -> dict[str, str]:
    """Returns the names of all experiments by their ids."""
    return {one.experiment_id: one.name for one in client.search_experiments()}


def _conditions(text: str) -> list[str]:
    conditions = []
    if re.fullmatch(r"[0-9a-fA-F]{4,32}", text):
        conditions.append(f"attributes.run_id LIKE '{text.lower()}%'")
    quote = next((mark for mark in "'\"" if mark not in text), None)
    if quote is not None:  # MLflow's search has no escape for a name with both marks
        conditions.append(f"attributes.run_name = {quote}{text}{quote}")
    return conditions


def _first(client: MlflowClient, experiment_ids: list[str], condition: str, order: str) -> list[MlflowRun]:
    """Returns the first run that is not about another one; none where there is none."""
    token = None
    while True:  # MLflow's search cannot tell a run without a kind from one of another kind
        page = client.search_runs(
            experiment_ids, condition, order_by=[order], max_results=_LISTED, page_token=token
        )
        found = [run for run in page if run.data.tags.get("kind") not in _ABOUT_OTHERS][:1]
        token = page.token
        if found or not token:
            return found


def _matching(client: MlflowClient, experiment_ids: list[str], condition: str) -> list[MlflowRun]:
    return list(client.search_runs(experiment_ids, condition, max_results=_LISTED + 1))


def row_of(run: MlflowRun, names: Mapping[str, str]) -> RunRow:
    """Returns a run as a list shows it; `names` are those of experiments by id."""
    info, tags = run.info, run.data.tags
    return RunRow(
        run_id=info.run_id,
        name=info.run_name or "",
        experiment=names.get(info.experiment_id, info.experiment_id),
        status=info.status,
        outcome=tags.get("cnnexp.status", ""),
        reason=tags.get("cnnexp.reason", ""),
        started=datetime.fromtimestamp(info.start_time / 1000).astimezone(),
        seconds=run.data.metrics.get(TOTAL_SECONDS),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(tags),
    )


def _line(row: RunRow) -> str:
    return f"  {row.run_id}  {row.name}  ({row.experiment}, {row.started:%Y-%m-%d %H:%M}, {row.status})"
