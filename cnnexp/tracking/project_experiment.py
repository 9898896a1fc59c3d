"""Tells `mlflow run` which experiment a run of our own MLproject belongs to.

MLflow loads this plug-in in every process that imports it, ours or not: it must be cheap, and silent wherever
it is not asked about our project.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

EXPERIMENT = "cnnexp"
PROJECT = "cnnexp"  # `name:` in our MLproject


class ProjectExperiment:
    """MLflow's interface DefaultExperimentProvider, by shape: importing its class here would be a circle."""

    def in_context(self) -> bool:
        """True inside `mlflow run` of our project where the user has named no experiment."""
        if os.environ.get("MLFLOW_EXPERIMENT_NAME") or os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return False
        uri = _project_uri()
        return uri is not None and _project_name(uri) == PROJECT

    def get_experiment_id(self) -> str:
        """Returns the id of experiment "cnnexp" in the store of this process; both are created when missing.

        Raises:
            TrackingError: the store cannot be opened.
        """
        from cnnexp.tracking.store import open_store

        return open_store(None).experiment_id(EXPERIMENT)


def _project_uri() -> str | None:
    """Returns the project that `mlflow run` was given, or None where no such command is running."""
    import click

    context = click.get_current_context(silent=True)
    if context is None or context.command.name != "run" or context.command.callback is None:
        return None
    if not context.command.callback.__module__.startswith("mlflow."):
        return None
    if context.params.get("experiment_name") or context.params.get("experiment_id"):
        return None
    uri = context.params.get("uri")
    return uri if isinstance(uri, str) else None


def _project_name(uri: str) -> str | None:
    """Returns the `name:` of a local project's MLproject; None for a project elsewhere or without a name."""
    import yaml

    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return None
    file = Path(url2pathname(parts.path)) / parts.fragment / "MLproject"  # folder#subfolder
    try:
        project = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None
    return project.get("name") if isinstance(project, dict) else None
