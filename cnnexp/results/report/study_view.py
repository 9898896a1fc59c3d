"""What a study or a sweep found, as sections of its page."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from cnnexp.errors import TrackingError
from cnnexp.experiment.names import read_json
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.drawing import recorded_figure
from cnnexp.results.report.elements import Cell, Figure, Table, number, percent, texts, word
from cnnexp.results.report.run_tables import written
from cnnexp.results.report.section import Section
from cnnexp.settings import declarations
from cnnexp.tracking.run_files import files_of

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
    is_sweep = recorded.row.tags.get("kind") == "sweep"
    missing, sections = [], []
    try:
        plan = read_json(recorded.file(f"study/{'sweep' if is_sweep else 'study'}.json"))
    except TrackingError:
        return [], ["The study has not come to its end: there is no table of its trials."]
    sections.append(_search(plan, recorded))
    rows: Any = _content(recorded, "study/trials.json")
    if rows:
        sections.append(Section("trials", "Trials", tables=[_trials(rows, plan, recorded)]))
    with suppress(TrackingError):
        table = recorded.file("study/table.csv").read_text(encoding="utf-8")
        sections.append(
            Section(
                "cells",
                "Combinations",
                tables=[_table_of_csv(table, caption="Every combination, the best first")],
            )
        )
    figures = recorded_figures(recorded, "study")
    if figures:
        sections.append(Section("figures", "Figures of the search", figures=figures))
    else:
        missing.append("The study drew no figures (--figures none).")
    return sections, missing


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


def _search(plan: Mapping[str, Any], recorded: Recorded) -> Section:
    names = ("objectives", "trials", "sampler", "pruner", "repeats", "seeds", "max_parameters", "max_macs")
    rows = [texts((name, written(plan[name]))) for name in names if plan.get(name) is not None]
    space = [texts(pair) for pair in plan["space"].items()]
    tables = [
        Table("What was searched", ("setting", "values"), space),
        Table("How it was searched", ("what", "value"), rows),
    ]
    shared = [
        texts((name, written(plan["settings"][name])))
        for name, one in declarations().items()
        if name in plan.get("settings", {}) and plan["settings"][name] != one.default
    ]
    tables.append(Table("What all trials share, where it is not the default", ("setting", "value"), shared))
    best: Any = _content(recorded, "study/best_params.json")
    if best:
        caption = f"The best trial, number {best.pop('trial')}"
        tables.insert(0, Table(caption, ("setting", "value"), [texts(_pair(one)) for one in best.items()]))
    return Section("search", "Search", tables=tables)


def _trials(rows: Sequence[Mapping[str, Any]], plan: Mapping[str, Any], recorded: Recorded) -> Table:
    names, objectives = list(plan["space"]), list(plan["objectives"])
    are_numbers = {name: any(_is_number(row["params"].get(name)) for row in rows) for name in names}
    best = recorded.row.tags.get("best_trial")
    table = []
    for row in rows:
        values = row["values"] or [None] * len(objectives)
        measured = [_objective(name, value) for name, value in zip(objectives, values, strict=True)]
        params = [_value(row["params"].get(name), is_number=are_numbers[name]) for name in names]
        facts = [number(row["facts"].get("parameters")), number(row["facts"].get("seconds"), ".1f")]
        head = Cell(str(row["number"]), row["number"], is_number=True, is_marked=str(row["number"]) == best)
        table.append([head, word(row["state"].lower()), *measured, *params, *facts, word(row["reason"])])
    header = ("trial", "state", *objectives, *names, "parameters", "seconds", "why it ended")
    return Table(f"{len(rows)} trials; the best one in bold", header, table)


def _objective(name: str, value: float | None) -> Cell:
    if name == "val/accuracy":
        cell = percent(value)
        return Cell(f"{cell.text} %" if value is not None else cell.text, cell.value, is_number=True)
    return number(value, ",.4g")


def _value(value: object, *, is_number: bool) -> Cell:
    if value is None and is_number:
        return number(None)
    if isinstance(value, int | float) and _is_number(value):
        return number(value, ".4g" if isinstance(value, float) else ".0f")
    return word(written(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pair(pair: tuple[str, object]) -> tuple[str, str]:
    name, value = pair
    return name, f"{value:.6g}" if isinstance(value, float) else written(value)


def _table_of_csv(text: str, *, caption: str) -> Table:
    header, *rows = list(csv.reader(io.StringIO(text)))[:MOST_ROWS] or [[]]
    return Table(caption, header, [[_of_text(cell) for cell in row] for row in rows])


def _of_text(text: str) -> Cell:
    with suppress(ValueError):
        value = float(text)
        return Cell(text, value if math.isfinite(value) else -math.inf, is_number=True)
    return word(text)


def _content(recorded: Recorded, path: str) -> object:
    with suppress(TrackingError):
        return read_json(recorded.file(path))
    return None
