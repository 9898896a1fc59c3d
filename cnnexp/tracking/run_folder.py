"""Where a run's files are on this machine, and how those of a remote run get here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cnnexp.errors import TrackingError
from cnnexp.tracking import ownership
from cnnexp.tracking.opening import tracking_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun


RUNS = "cnnexp-runs"  # holds the folders of runs whose files a server keeps


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder in which a run's files are written first.

    Attributes:
        run_id: of the run.
        path: absolute.
        is_local: MLflow itself keeps the run's files there; otherwise they are uploaded.
    """

    run_id: str
    path: Path
    is_local: bool

    @property
    def unshared(self) -> Path:
        """Where files lie that a server does not get: the weights of a trial that may still win."""
        return self.path if self.is_local else self.path.with_name(f"{self.run_id}-unshared")

    def fetch(self, client: MlflowClient, name: str) -> Path:
        """Returns a file of the run, downloaded where it is not here.

        Raises:
            TrackingError: the run has no such file, or the store does not answer.
        """
        file = self.path / name
        if not file.is_file() and not self.is_local:
            file.parent.mkdir(parents=True, exist_ok=True)
            with tracking_errors(f"{name} of run {self.run_id} cannot be had"):
                client.download_artifacts(self.run_id, name, str(file.parent))
        if not file.is_file():
            raise TrackingError(
                f"run {self.run_id} has no file {name}; it cannot be resumed or repeated from here."
            )
        return file


def folder_of(run: MlflowRun) -> RunFolder:
    """Returns the run's folder: MLflow's own where that is on this machine.

    Else it lies below the folder that the run was started in, where it is still there, or below this one.
    """
    run_id, uri = run.info.run_id, run.info.artifact_uri
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return RunFolder(run_id, Path(url2pathname(parts.path)), is_local=True)
    if parts.scheme == "" or len(parts.scheme) == 1:  # one letter is a Windows drive
        return RunFolder(run_id, Path(uri), is_local=True)
    below = Path(RUNS) / run_id
    tags = run.data.tags
    if ownership.is_here(tags):
        left = Path(tags.get(ownership.FOLDER, "")) / below
        if left.is_dir():
            return RunFolder(run_id, left.absolute(), is_local=False)
    return RunFolder(run_id, Path.cwd() / below, is_local=False)
