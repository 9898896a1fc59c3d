"""`cnnexp.report`: what the command and a notebook both call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cnnexp.progress import Progress, silent
from cnnexp.results.report.compose import compose
from cnnexp.results.report.topic import Kind, find_topic
from cnnexp.tracking.store import open_store


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was written.

    Attributes:
        path: of the HTML file.
        bundle: of the zip file; None where none was asked for.
        missing: sentences on what could not be shown.
    """

    path: Path
    bundle: Path | None
    missing: tuple[str, ...]


def report(
    what: str,
    output: str | Path,
    *,
    kind: Kind | None = None,
    bundle: str | Path | None = None,
    data_dir: str | None = None,
    dataset: str | None = None,
    tracking_uri: str | None = None,
    progress: Progress = silent,
) -> Report:
    """Writes a run, a study or an experiment as one HTML file that needs no network.

    Args:
        what: a run (id, its start, name, `last`, `best`, a model's URI), a study's or an experiment's name.
        output: the file, overwritten where it exists.
        kind: what the name is the name of, where several things have it.
        bundle: a zip file for the report with settings, weights, tables and how to repeat it.
        data_dir: the folder where the data lie now; None: where the run found them.
        dataset: what the data set is called now: `folder:PATH` of photos that have moved.
        tracking_uri: the store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.
        progress: called while images are decoded.

    Returns:
        Where it lies, and what could not be shown: the images of a data set that is gone, say.

    Raises:
        TrackingError: there is nothing of that name, or several things are.
        OSError: a file cannot be written.
    """
    store = open_store(tracking_uri, make=False)
    topic = find_topic(store, what, kind)
    moved = {name: text for name, text in (("data_dir", data_dir), ("dataset", dataset)) if text is not None}
    page = compose(store, topic, moved=moved, progress=progress)
    path = Path(output)
    path.write_text(page.html, encoding="utf-8")
    if bundle is not None:
        from cnnexp.results.report.bundle import write_bundle  # torch is a second

        write_bundle(Path(bundle), store, topic, page.html)
    return Report(path, None if bundle is None else Path(bundle), page.missing)
