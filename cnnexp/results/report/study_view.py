"""What a study or a sweep found, as sections of its page."""

from __future__ import annotations

import csv
import io
import math
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from cnnexp.errors import TrackingError
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.drawing import recorded_figure
from cnnexp.results.report.elements import Cell, Figure, Table, texts, word
from cnnexp.results.report.run_tables import written
from cnnexp.results.report.section import Section
from cnnexp.results.report.trials import (
    HEADINGS,
    Trial,
    best_of,
    combinations_table,
    content_of,
    trials_of,
    trials_table,
)
from cnnexp.settings import declarations
from cnnexp.tracking.rows import read_row
from cnnexp.tracking.run_files import files_of

_PLANNED = {  # of the plan of a search, and what people call it
    "objectives": "objectives",
    "trials": "trials",
    "sampler": "sampler",
    "pruner": "pruner",
    "repeats": "repeats of each trial",
    "seeds": "seeds",
    "max_parameters": "most parameters",
    "max_macs": "most MACs",
}
_MOST_DIGITS = 8
MOST_ROWS = 1000  # of a table that was recorded: that of all predictions, say, has no end
_ALTS = {
    "history": "Value of each trial, in order, and the best one so far",
    "importances": "How much each setting tells good trials from others",
    "intermediate_values": "Best value so far of each trial by epoch",
    "parallel_coordinates": "The settings of each trial as a line, coloured by its value",
    "slices": "Value of each trial over each of the settings that matter most",
    "timeline": "When each trial ran and how it ended",
    "pareto_front": "The objectives of each trial, and those that no other beats in all of them",
    "cells": "Validation accuracy and training time of each combination",
    "main_effects": "Mean validation accuracy of each value of each setting",
}


def study_sections(recorded: Recorded) -> tuple[list[Section], list[str]]:
    """Returns the sections of a study or sweep, and sentences on what is missing."""
    kind = recorded.row.tags["kind"]
    plan = content_of(recorded, f"study/{kind}.json")
    if plan is None:
        return [], [f"The {kind} has not come to its end: there is no table of its trials."]
    trials, cells = trials_of(recorded), content_of(recorded, "study/cells.json")
    best = best_of(recorded, trials)
    names = list(plan["space"])
    sections = [_search(plan)]
    if best is not None:
        sections.append(_best(best, plan, recorded))
    if cells:
        sections.append(Section("cells", "Combinations", tables=[combinations_table(cells, names)]))
    if trials:
        table = trials_table(trials, names, plan["objectives"], best)
        sections.append(Section("trials", "Trials", ["The page of one of them: cnnexp report RUN"], [table]))
    figures = recorded_figures(recorded, "study")
    if figures:
        sections.append(Section("figures", "Figures", figures=figures))
    return sections, [] if figures else [f"The {kind} drew no figures (--figures none)."]


def best_run(recorded: Recorded) -> tuple[Recorded, int] | None:
    """Returns the run of the best trial and its number; None where there is none, or it is gone."""
    best = best_of(recorded, trials_of(recorded))
    if best is None or not best.run_id:
        return None
    with suppress(TrackingError):
        return Recorded(recorded.store, read_row(recorded.store, best.run_id)), best.number
    return None


def found_sections(recorded: Recorded) -> list[Section]:
    """Returns the tables and figures of a run that is no training: a comparison, a race, an evaluation."""
    paths = files_of(recorded.store, recorded.run_id)
    tables = [
        _table_of_csv(recorded.file(path).read_text(encoding="utf-8"), caption=path)
        for path in paths
        if path.endswith(".csv")
    ]
    figures = recorded_figures(recorded, "")
    sections = [Section("tables", "Tables", tables=[one for one in tables if one.rows])] if tables else []
    return [*sections, *([Section("figures", "Figures", figures=figures)] if figures else [])]


def recorded_figures(recorded: Recorded, folder: str) -> list[Figure]:
    """Returns the pictures in a folder of a run, by name."""
    found = []
    for path in files_of(recorded.store, recorded.run_id, folder):
        name = PurePosixPath(path).stem
        if path.endswith(".png"):
            alt = _ALTS.get(name, name.replace("_", " "))
            figure = recorded_figure(recorded, path, alt=alt)
            found += [figure] if figure else []
    return found


def _search(plan: Mapping[str, Any]) -> Section:
    rows = [texts((_PLANNED[name], written(plan[name]))) for name in _PLANNED if plan.get(name) is not None]
    space = [texts(pair) for pair in plan["space"].items()]
    tables = [
        Table("What was searched", ("setting", "values"), space),
        Table("How it was searched", ("what", "value"), rows),
    ]
    shared = [
        texts((name, written(plan["settings"][name])))
        for name, one in declarations().items()
        if name in plan.get("settings", {}) and written(plan["settings"][name]) != written(one.default)
    ]
    tables.append(Table("What all trials share, where it is not the default", ("setting", "value"), shared))
    return Section("search", "Search", tables=tables)


def _best(best: Trial, plan: Mapping[str, Any], recorded: Recorded) -> Section:
    study = recorded.row.tags.get("study", recorded.label)
    found = zip(plan["objectives"], best.values, strict=False)
    measured = [texts((f"{HEADINGS.get(name, name)}", _measured(name, value))) for name, value in found]
    rows = [*measured, *(texts(_pair(one)) for one in best.params.items())]
    rows += [texts(("seed", best.seed))] if best.seed else []
    rows += [texts(("run", best.run_id))] if best.run_id else []
    sentences = []
    if best.run_id:
        sentences.append(f"Its page: cnnexp report {best.run_id[:8]}")
        again = shlex.join(["cnnexp", "train", "--from-trial", f"{study}:{best.number}"])
        sentences.append(f"To train it again: {again}")
    table = Table(f"The best trial, number {best.number}", ("what", "value"), rows, is_sortable=False)
    return Section("best", "Best trial", sentences, [table])


def _measured(name: str, value: float) -> str:
    return f"{100 * value:.2f}" if name == "val/accuracy" else f"{value:.4g}"


def _pair(pair: tuple[str, object]) -> tuple[str, str]:
    name, value = pair
    return name, f"{value:.6g}" if isinstance(value, float) else written(value)


def _table_of_csv(text: str, *, caption: str) -> Table:
    header, *rows = list(csv.reader(io.StringIO(text)))[:MOST_ROWS] or [[]]
    return Table(caption, header, [[_of_text(cell) for cell in row] for row in rows])


def _of_text(text: str) -> Cell:
    with suppress(ValueError):
        value = float(text)
        is_long = "." in text and len(text) > _MOST_DIGITS  # tables for programs have all digits
        shown = f"{value:.5g}" if is_long else text
        return Cell(shown, value if math.isfinite(value) else -math.inf, is_number=True)
    return word(text)
