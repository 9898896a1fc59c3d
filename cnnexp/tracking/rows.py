"""Reads runs that are not written any more: one, or all that meet a condition."""

from __future__ import annotations

from cnnexp.tracking.opening import tracking_errors
from cnnexp.tracking.search import RunRow, all_where, experiment_names, row_of, unknown_experiment
from cnnexp.tracking.store import PARENT, Store

OLDEST = "attributes.start_time ASC"
_NAMED = 8  # children that a sentence names


def read_row(store: Store, run_id: str) -> RunRow:
    """Returns a run by its whole id.

    Raises:
        TrackingError: there is none, or the store is away.
    """
    with tracking_errors(f"run {run_id!r} cannot be read"):
        return row_of(store.client.get_run(run_id), experiment_names(store.client))


def experiment_of(store: Store, run_id: str) -> str:
    """Returns the id of the experiment that a run is in; its saved views stay as they are.

    Raises:
        TrackingError: there is no such run, or the store is away.
    """
    with tracking_errors(f"run {run_id!r} cannot be read"):
        return str(store.client.get_run(run_id).info.experiment_id)


def rows_where(store: Store, condition: str, *, experiment: str | None = None) -> list[RunRow]:
    """Returns all runs that meet a condition, oldest first.

    Args:
        store: where they are.
        condition: in MLflow's search language, such as `tags.kind = 'run'`; empty for every run.
        experiment: the name of the only experiment that is searched.

    Raises:
        TrackingError: no experiment of that name, or the store is away.
    """
    with tracking_errors("runs cannot be searched"):
        names = experiment_names(store.client)
        ids = [key for key, name in names.items() if experiment in (None, name)]
        if experiment is not None and not ids:
            raise unknown_experiment(store.client, experiment)
        return [row_of(run, names) for run in all_where(store.client, ids, condition, [OLDEST])]


def way_to_children(store: Store, run_id: str) -> str:
    """Returns what to do where a run is the parent of those that are meant; empty where it has none.

    Raises:
        TrackingError: the store is away.
    """
    names = [row.name for row in children_of(store, run_id) if row.tags.get("kind") == "run"]
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"It is the parent of {len(names)} runs; name one of them: {', '.join(names[:_NAMED])}{more}."


def children_of(store: Store, run_id: str) -> list[RunRow]:
    """Returns the runs that a run is the parent of, oldest first.

    Raises:
        TrackingError: the store is away.
    """
    return rows_where(store, f"tags.`{PARENT}` = '{run_id}'")
