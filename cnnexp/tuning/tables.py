"""The table of a sweep, best cell first: as rows of text, CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from cnnexp.tuning.compare import Cell, best_first, text_of

Row = list[str]
MEASURED = ("val accuracy (%)", "seconds", "parameters", "seeds")
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measured = ("val_accuracy_mean", "val_accuracy_sd", "seconds_mean", "seconds_sd")
    writer.writerow([*names, *measured, "parameters", "macs", "seeds", "note"])
    for cell in best_first(cells):
        numbers = [*(cell.accuracy or (None, None)), *(cell.time or (None, None))]
        sizes = [cell.facts.get("parameters"), cell.facts.get("macs")]
        cells_of_row = ["" if one is None else f"{one:.6g}" for one in numbers]
        whole = ["" if one is None else f"{one:.0f}" for one in sizes]
        values = [text_of(cell.params[name]) for name in names]
        writer.writerow([*values, *cells_of_row, *whole, len(cell.accuracies), cell.note])
    return text.getvalue()


def markdown_of(names: Sequence[str], cells: Sequence[Cell]) -> str:
    """Returns the table in Markdown."""
    header, rows = header_of(names), rows_of(names, cells)
    rule = ["---"] * len(names) + ["---:"] * len(MEASURED)
    lines = [[_in_markdown(cell) for cell in line] for line in (header, *rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in (lines[0], rule, *lines[1:]))


def latex_of(names: Sequence[str], cells: Sequence[Cell]) -> str:
    r"""Returns the table in LaTeX, for `\usepackage{booktabs}`."""
    header, *rows = (
        [_in_latex(cell) for cell in line] for line in (header_of(names), *rows_of(names, cells))
    )
    columns = "l" * len(names) + "r" * len(MEASURED)
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(header) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _spread(found: tuple[float, float | None] | None, factor: float, digits: int) -> str:
    if found is None:
        return "–"
    mean, sd = found
    return f"{factor * mean:.{digits}f}" + ("" if sd is None else f" ± {factor * sd:.{digits}f}")


def _in_markdown(text: str) -> str:
    return text.replace("\\", r"\\").replace("|", r"\|").replace("\n", " ")


def _in_latex(text: str) -> str:
    return "".join(_ESCAPED.get(sign, sign) for sign in text)
