"""Runs that are named on a command line, looked for before what the command needs is imported."""

from __future__ import annotations

from collections.abc import Iterable


def check_runs(runs: Iterable[str], tracking_uri: str | None) -> None:
    """Refuses runs that are not there.

    Raises:
        TrackingError: no store, no such run, or several.
    """
    from cnnexp.tracking.store import open_store

    store = open_store(tracking_uri, make=False)
    for run in runs:
        store.find_run(run)
