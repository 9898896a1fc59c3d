"""Tables of text as CSV, Markdown and LaTeX: the first columns name a row, those that follow are measured."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def csv_table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Returns a table for programs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, names: int = 1, words: Collection[str] = ()
) -> str:
    """Returns a table in Markdown; columns are right-aligned but the first `names`, and those of `words`."""
    rule = ["---" if at < names or name in words else "---:" for at, name in enumerate(header)]
    first, *others = ([in_markdown(cell) for cell in line] for line in (header, *rows))
    return "".join("| " + " | ".join(line) + " |\n" for line in (first, rule, *others))


def latex_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, names: int = 1) -> str:
    r"""Returns a table in LaTeX, for `\usepackage{booktabs}`; likewise aligned."""
    first, *others = (" & ".join(map(in_latex, line)) + r" \\" for line in (header, *rows))
    columns = "l" * names + "r" * (len(header) - names)
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        first,
        r"\midrule",
        *others,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def in_latex(text: str) -> str:
    """Returns text that LaTeX prints as it is."""
    return "".join(_ESCAPED.get(sign, sign) for sign in text)


def in_markdown(text: str) -> str:
    """Returns a text that a cell shows as it is."""
    return text.replace("\\", r"\\").replace("|", r"\|").replace("\n", " ").replace("<", "&lt;")
