"""Which files a run has, on this machine or on a server."""

from __future__ import annotations

from cnnexp.tracking.opening import tracking_errors
from cnnexp.tracking.store import Store


def files_of(store: Store, run_id: str, folder: str = "") -> list[str]:
    """Returns the paths of a run's files, by name; of those below `folder` only, where one is given.

    Raises:
        TrackingError: no such run, or the store is away.
    """
    with tracking_errors(f"the files of run {run_id!r} cannot be listed"):
        found: list[str] = []
        folders = [folder or None]
        while folders:
            for one in store.client.list_artifacts(run_id, folders.pop()):
                (folders if one.is_dir else found).append(one.path)
    return sorted(found)
