"""The page of a subject: which sections a run, a study, a parent of runs or an experiment has."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from cnnexp.errors import TrackingError
from cnnexp.experiment.record import DATASET_FILE
from cnnexp.progress import Progress
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.group import Group
from cnnexp.results.report.page import render
from cnnexp.results.report.run_view import head_of, view_of
from cnnexp.results.report.runs_view import children_groups, experiment_groups
from cnnexp.results.report.study_view import found_groups, study_groups
from cnnexp.results.report.subject import Subject
from cnnexp.tracking.rows import children_of
from cnnexp.tracking.store import Store

STUDIES = ("study", "sweep")


@dataclass(frozen=True, slots=True)
class Page:
    """A report.

    Attributes:
        html: the whole file.
        missing: sentences on what could not be shown.
    """

    html: str
    missing: tuple[str, ...]


def compose(store: Store, subject: Subject, *, moved: Mapping[str, str], progress: Progress) -> Page:
    """Returns the page of a subject.

    Args:
        store: that it is in.
        subject: what it is about.
        moved: settings of the data that say where they lie now; see `load_images`.
        progress: called while images are decoded.
    """
    if subject.recorded is None:
        return _experiment_page(store, subject)
    recorded = subject.recorded
    kind = recorded.row.tags.get("kind", "run")
    groups, missing = _groups(store, recorded, kind)
    has_trained = _has(recorded, DATASET_FILE)
    if has_trained or not (groups or missing):
        run = view_of(recorded, moved=moved, progress=progress)
    else:
        run = head_of(recorded)
    if kind == "study" and not has_trained:  # a sweep looks for no best network
        missing.append("No network was trained with the best settings (--no-refit): none is shown.")
    html = render(subject.name, _subtitle(recorded, kind), groups=groups, run=run, missing=missing)
    return Page(html, (*missing, *run.missing))


def _groups(store: Store, recorded: Recorded, kind: str) -> tuple[list[Group], list[str]]:
    """Returns the sections that a run has beside those of a training."""
    if kind in STUDIES:
        return study_groups(recorded)
    children = children_of(store, recorded.run_id)
    groups = children_groups(store, kind, children) if children else []
    if kind != "seeds" and not _has(
        recorded, DATASET_FILE
    ):  # not a training: what it found is in its own tables and figures
        groups += found_groups(recorded)
    return groups, []


def _experiment_page(store: Store, subject: Subject) -> Page:
    rows = subject.rows
    facts = {"experiment": subject.name, "runs": f"{len(rows):,}"}
    if rows:
        facts["from"] = f"{min(row.started for row in rows):%Y-%m-%d %H:%M}"
        facts["to"] = f"{max(row.started for row in rows):%Y-%m-%d %H:%M}"
    missing = () if rows else ("The experiment has no run yet.",)
    groups = experiment_groups(store, rows) if rows else []
    html = render(subject.name, "all runs of an experiment", groups=groups, facts=facts, missing=missing)
    return Page(html, missing)


def _subtitle(recorded: Recorded, kind: str) -> str:
    params = recorded.row.params
    what = f"{params['model']} on {params['dataset']}" if {"model", "dataset"} <= params.keys() else ""
    return f"{kind} {recorded.run_id[:8]} of experiment {recorded.row.experiment}{': ' if what else ''}{what}"


def _has(recorded: Recorded, path: str) -> bool:
    with suppress(TrackingError):
        return recorded.file(path).is_file()
    return False
