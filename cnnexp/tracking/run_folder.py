"""Where a run's files are on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cnnexp.tracking import ownership

if TYPE_CHECKING:
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
