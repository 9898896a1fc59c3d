"""A file of a run, wherever it is: in the run's folder on this machine, or on a server.

What a server sends is kept in this user's cache by run and end: a run that goes on has another end then.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cnnexp.cache_folder import RUN_FILES, cache_folder
from cnnexp.errors import TrackingError
from cnnexp.tracking.delivery import UNSENT
from cnnexp.tracking.opening import tracking_errors
from cnnexp.tracking.ownership import FOLDER
from cnnexp.tracking.run import DIED, FINISHED, REASON, STATUS
from cnnexp.tracking.run_folder import RunFolder, folder_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun


def fetch(client: MlflowClient, run: MlflowRun, name: str) -> Path:
    """Returns a file of a run, downloaded where it is not on this machine.

    Raises:
        TrackingError: the run has no such file, or the store does not answer.
    """
    place = folder_of(run)
    file = place.path / name
    if is_current(run, place) and file.is_file():
        return file
    if not place.is_local:
        file = _downloaded(client, run, name)
    if not file.is_file():
        raise TrackingError(
            f"run {run.info.run_id} has no file {name}; it cannot be resumed or repeated from here."
        )
    return file


def is_current(run: MlflowRun, place: RunFolder) -> bool:
    """True where the files of a run's folder are those of now: the run may since have gone on elsewhere.

    A server has all files of a run that has ended as it should; until then they are where it is at work, or
    was when its process died.
    """
    if place.is_local or (place.path / UNSENT).is_file():
        return True
    return not has_ended(run) and str(place.path.parents[1]) == run.data.tags.get(FOLDER)


def has_ended(run: MlflowRun) -> bool:
    """True where a run has ended as it should, and is not at work again."""
    tags = run.data.tags
    return run.info.status != "RUNNING" and tags.get(STATUS) != "running" and tags.get(REASON) != DIED


def _downloaded(client: MlflowClient, run: MlflowRun, name: str) -> Path:
    run_id: str = run.info.run_id
    of_run = cache_folder() / RUN_FILES / run_id
    end = str(run.data.tags.get(FINISHED, run.info.end_time)) if has_ended(run) else "unfinished"
    file: Path = of_run / end / name
    if end != "unfinished" and file.is_file():
        return file
    with tracking_errors(f"{name} of run {run_id} cannot be had"):
        file.parent.mkdir(parents=True, exist_ok=True)
        for old in of_run.iterdir():
            if old.name != end:
                shutil.rmtree(old, ignore_errors=True)
        with TemporaryDirectory(dir=of_run / end, prefix=".") as part:  # no half of a file
            Path(client.download_artifacts(run_id, name, part)).replace(file)
    return file
