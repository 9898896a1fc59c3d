"""Replays into a store what could not reach it: once and only once, whoever tries it how often.

Every operation can be sent again without a trace: equal measurements are one for MLflow, files overwrite
themselves, and a model carries the name of the folder that it was saved in. So a replay that is killed is
simply begun anew; a lock keeps two of them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.errors import UserError
from cnnexp.tracking import ownership
from cnnexp.tracking.delivery import UNSENT, read_unsent
from cnnexp.tracking.opening import tracking_errors
from cnnexp.tracking.run import DIED, FINISHED, REASON, STATUS, Delivered, Run
from cnnexp.tracking.run_folder import RUNS, RunFolder, folder_of
from cnnexp.tracking.search import all_where, experiment_names
from cnnexp.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

_RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Synced:
    """A run of which something was left.

    Attributes:
        run_id: of the run.
        name: its name; empty where the store does not know it.
        folder: where its files lie.
        delivered: what was sent, and what is left and why.
    """

    run_id: str
    name: str
    folder: Path
    delivered: Delivered


def sync(store: Store, folder: Path | None = None) -> Iterator[Synced]:
    """Sends what is left of every run, and yields those of which something was.

    Args:
        store: that the runs belong to.
        folder: holds `cnnexp-runs`, is one, or is the folder of one run; it may come from another machine.
            None: this folder, and every place on this machine that a run of the store names.

    Raises:
        UserError: no such folder.
        TrackingError: the store is away.
    """
    places = _places_of(store) if folder is None else {}
    places |= _folders_in(folder or Path.cwd())
    for run_id in sorted(places):
        found = _sync_run(store, places[run_id])
        if found is not None:
            yield found


def _folders_in(folder: Path) -> dict[str, RunFolder]:
    """Returns the run folders at a place, by run."""
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"the folder {folder} does not exist; give the one that holds {RUNS}.")
    here = [folder, *folder.iterdir(), *(folder / RUNS).glob("*")]
    return {
        one.name: RunFolder(one.name, one, is_local=False)
        for one in here
        if _RUN_ID.fullmatch(one.name) and one.is_dir()
    }


def _places_of(store: Store) -> dict[str, RunFolder]:
    """Returns, by run, the folders on this machine in which runs of the store may have left something."""
    with tracking_errors("runs cannot be searched"):
        runs = all_where(store.client, list(experiment_names(store.client)), "")
    places = (folder_of(run) for run in runs)
    return {
        place.run_id: place
        for place in places
        if (place.path / UNSENT).is_file() or (not place.is_local and place.path.is_dir())
    }


def _sync_run(store: Store, place: RunFolder) -> Synced | None:
    """Sends what is left of one run; returns None where nothing was."""
    run = _run_of(store, place.run_id)
    if run is None or run.info.lifecycle_stage != "active":
        if not (place.path / UNSENT).is_file():
            return None
        why = "it is deleted" if run else "no such run in this store: another --tracking-uri may have it"
        left = read_unsent(place.path / UNSENT)
        had_ended = any(one["kind"] == "end" for one in left)
        return Synced(place.run_id, "", place.path, Delivered({}, len(left), had_ended=had_ended, why=why))
    if not (place.path / UNSENT).is_file() and not _died_here(run, place):
        return None  # a run at work, or files that were fetched
    rest = Run(store.client, run, folder=place, on_problem=lambda _: None)
    delivered = rest.deliver_all(partial(_refusal, store, place.run_id))
    if not delivered.sent and not delivered.why:
        return None  # another process has sent it meanwhile
    if not delivered.why and not delivered.had_ended and run.info.status == "RUNNING":
        store.end_run(place.run_id, DIED, params={}, tags={})
    return Synced(place.run_id, run.info.run_name or "", place.path, delivered)


def _run_of(store: Store, run_id: str) -> MlflowRun | None:
    from mlflow.exceptions import MlflowException

    with tracking_errors(f"run {run_id!r} cannot be read"):
        try:
            return store.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None


def _died_here(run: MlflowRun, place: RunFolder) -> bool:
    """True where the run's process died in this very folder: its files may be nowhere else."""
    tags = run.data.tags
    is_own_folder = str(place.path.parents[1]) == tags.get(ownership.FOLDER)
    if place.is_local or not ownership.is_here(tags) or not is_own_folder:
        return False
    if run.info.status == "RUNNING":
        return not ownership.is_alive(tags)
    return tags.get(REASON) == DIED


def _refusal(store: Store, run_id: str, end_time: int | None) -> str:
    """Returns why what is left of a run must not be sent now, or the empty string; asked under its lock."""
    run = _run_of(store, run_id)
    assert run is not None
    tags, is_running = run.data.tags, run.info.status == "RUNNING"
    if end_time is not None:
        finished = int(tags.get(FINISHED, 0))
        has_gone_on = finished == end_time and tags.get(STATUS) == "running"
        if finished > end_time or has_gone_on:
            return "the store has all of it, and the run has gone on since: the folder can be removed"
        return ""
    if not is_running:
        return ""
    pid, host = tags.get(ownership.PID, "?"), tags.get(ownership.HOST, "?")
    if not ownership.is_here(tags):
        return (
            f"marked as running on machine {host} (process {pid}); where that is gone, `cnnexp sync` there "
            "says so, or MlflowClient.set_terminated(run_id, 'KILLED')"
        )
    if ownership.is_alive(tags):
        return f"still at work as process {pid}, which sends it at its end"
    return ""
