"""The table of a sweep, best cell first: as rows of text, CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from cnnexp.experiment.tables import csv_table, latex_table, markdown_table
from cnnexp.tuning.compare import Cell, best_first, text_of

Row = list[str]
MEASURED = ("val accuracy (%)", "seconds", "parameters", "seeds")


def header_of(names: Sequence[str]) -> Row:
    """Returns the names of the columns: what varies, then what was measured."""
    return [*names, *MEASURED]


def rows_of(names: Sequence[str], cells: Sequence[Cell]) -> list[Row]:
    """Returns a row of text per cell: mean ± sd where there is more than one seed."""
    rows = []
    for cell in best_first(cells):
        values = [text_of(cell.params[name]) for name in names]
        parameters = cell.facts.get("parameters")
        size = "–" if parameters is None else f"{parameters:,.0f}"
        measured = [_spread(cell.accuracy, 100.0, 2), _spread(cell.time, 1.0, 1)]
        rows.append([*values, *measured, size, str(len(cell.accuracies))])
    return rows


def csv_of(names: Sequence[str], cells: Sequence[Cell]) -> str:
    """Returns the table for programs: mean and sd apart, accuracy in [0, 1], and why cells are empty."""
    measured = ("val_accuracy_mean", "val_accuracy_sd", "seconds_mean", "seconds_sd")
    rows = []
    for cell in best_first(cells):
        numbers = [*(cell.accuracy or (None, None)), *(cell.time or (None, None))]
        sizes = [cell.facts.get("parameters"), cell.facts.get("macs")]
        cells_of_row = ["" if one is None else f"{one:.6g}" for one in numbers]
        whole = ["" if one is None else f"{one:.0f}" for one in sizes]
        values = [text_of(cell.params[name]) for name in names]
        rows.append([*values, *cells_of_row, *whole, len(cell.accuracies), cell.note])
    return csv_table([*names, *measured, "parameters", "macs", "seeds", "note"], rows)


def markdown_of(names: Sequence[str], cells: Sequence[Cell]) -> str:
    """Returns the table in Markdown."""
    return markdown_table(header_of(names), rows_of(names, cells), names=len(names))


def latex_of(names: Sequence[str], cells: Sequence[Cell]) -> str:
    r"""Returns the table in LaTeX, for `\usepackage{booktabs}`."""
    return latex_table(header_of(names), rows_of(names, cells), names=len(names))


def _spread(found: tuple[float, float | None] | None, factor: float, digits: int) -> str:
    if found is None:
        return "–"
    mean, sd = found
    return f"{factor * mean:.{digits}f}" + ("" if sd is None else f" ± {factor * sd:.{digits}f}")
