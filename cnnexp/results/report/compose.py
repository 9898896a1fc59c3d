"""The page of a topic: which sections a run, a study, a parent of runs or an experiment has."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from cnnexp.errors import TrackingError
from cnnexp.experiment.names import DATASET_FILE
from cnnexp.progress import Progress
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.page import render
from cnnexp.results.report.run_view import add_best_trial, head_of, view_of
from cnnexp.results.report.runs_view import children_sections, experiment_sections
from cnnexp.results.report.section import Section
from cnnexp.results.report.study_view import best_run, found_sections, study_sections
from cnnexp.results.report.topic import Topic
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


def compose(store: Store, topic: Topic, *, moved: Mapping[str, str], progress: Progress) -> Page:
    """Returns the page of a topic.

    Args:
        store: that it is in.
        topic: what it is about.
        moved: settings of the data that say where they lie now; see `load_images`.
        progress: called while images are decoded.
    """
    if topic.recorded is None:
        return _experiment_page(store, topic)
    recorded = topic.recorded
    kind = recorded.row.tags.get("kind", "run")
    sections, missing = _sections(store, recorded, kind)
    has_trained = _has(recorded, DATASET_FILE)
    if has_trained or not (sections or missing):
        run = view_of(recorded, moved=moved, progress=progress)
    else:
        run = head_of(recorded)
        best = best_run(recorded) if kind in STUDIES else None
        if best is not None:
            add_best_trial(run, *best)
    if kind == "study" and not has_trained:  # a sweep looks for no best network
        missing.append(
            "No network was trained anew with the best settings (--no-refit), and none was tested."
        )
    html = render(topic.name, _subtitle(recorded, kind), sections=sections, run=run, missing=missing)
    return Page(html, (*missing, *run.missing))


def _sections(store: Store, recorded: Recorded, kind: str) -> tuple[list[Section], list[str]]:
    """Returns the sections that a run has beside those of a training."""
    if kind in STUDIES:
        return study_sections(recorded)
    children = children_of(store, recorded.run_id)
    sections = children_sections(store, kind, children) if children else []
    if kind != "seeds" and not _has(
        recorded, DATASET_FILE
    ):  # not a training: what it found is in its own tables and figures
        sections += found_sections(recorded)
    return sections, []


def _experiment_page(store: Store, topic: Topic) -> Page:
    rows = topic.rows
    facts = {"experiment": topic.name, "runs": f"{len(rows):,}"}
    if rows:
        facts["from"] = f"{min(row.started for row in rows):%Y-%m-%d %H:%M}"
        facts["to"] = f"{max(row.started for row in rows):%Y-%m-%d %H:%M}"
    missing = () if rows else ("The experiment has no run yet.",)
    sections = experiment_sections(store, rows) if rows else []
    html = render(topic.name, "all runs of an experiment", sections=sections, facts=facts, missing=missing)
    return Page(html, missing)


def _subtitle(recorded: Recorded, kind: str) -> str:
    params = recorded.row.params
    what = f"{params['model']} on {params['dataset']}" if {"model", "dataset"} <= params.keys() else ""
    return f"{kind} {recorded.run_id[:8]} of experiment {recorded.row.experiment}{': ' if what else ''}{what}"


def _has(recorded: Recorded, path: str) -> bool:
    with suppress(TrackingError):
        return recorded.file(path).is_file()
    return False
