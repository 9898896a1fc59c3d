"""What a page is made of: tables, figures and pictures as plain values; templates give them a look."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from cnnexp.experiment.statistics import spread_of

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: as it is read.
        value: what a sorted column goes by; None: by the text.
        share: length of a bar behind the number, in [0, 1].
        is_number: aligned to the right.
        is_marked: stands out.
    """

    text: str
    value: float | None = None
    share: float | None = None
    is_number: bool = False
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table that readers can sort.

    Attributes:
        caption: what it shows, for people and screen readers.
        header: names of the columns.
        rows: the first cell of each names the row.
        is_sortable: its order is free.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    is_sortable: bool = True

    def is_number(self, column: int) -> bool:
        """Tells whether a column is aligned to the right."""
        return any(row[column].is_number for row in self.rows)


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart: drawn lines that take the page's ink, or a picture as it was recorded.

    Attributes:
        name: of its file in the run, or what it would be called.
        alt: what it shows, in words.
        svg: the drawing.
        uri: of the picture, `data:image/png;base64,...`.
    """

    name: str
    alt: str
    svg: Markup = field(default_factory=Markup)
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the data set.

    Attributes:
        uri: `data:image/...`.
        caption: under it.
        alt: what it is, in words.
    """

    uri: str
    caption: str
    alt: str


def word(text: object) -> Cell:
    """Returns a cell of text."""
    return Cell(str(text))


def number(value: float | None, form: str = ",.0f", *, factor: float = 1.0, unit: str = "") -> Cell:
    """Returns a cell of a number; a dash where it is missing or not finite, which sorts last."""
    if value is None or not math.isfinite(value):
        return Cell(NOTHING, -math.inf, is_number=True)
    return Cell(f"{factor * value:{form}}{unit}", float(value), is_number=True)


def percent(share: float | None, *, bar: bool = False) -> Cell:
    """Returns a cell of a share in percent."""
    cell = number(share, ".2f", factor=100.0)
    return Cell(cell.text, cell.value, share if bar else None, is_number=True)


def mean_cell(values: Sequence[float], *, factor: float = 1.0, digits: int = 2, share: bool = False) -> Cell:
    """Returns a cell of a mean, with its standard deviation where there are two values or more.

    Args:
        values: of the runs.
        factor: to what is shown.
        digits: behind the point.
        share: they are shares, in [0, 1].
    """
    if not values:
        return number(None)
    found = spread_of(values, share=share)
    return Cell(found.text(factor, digits), found.mean, is_number=True)


def texts(cells: Iterable[object]) -> list[Cell]:
    """Returns a row of text."""
    return [word(cell) for cell in cells]
