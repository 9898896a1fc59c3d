"""Tables on a terminal, whole where there is none: what is piped must not be cut at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDTH = 100  # columns, of what is wrapped also where it is piped
PIPED_WIDTH = 400


def console() -> Console:
    """Returns a console on standard output."""
    found = Console(highlight=False, soft_wrap=False)
    if not found.is_terminal:
        found.width = PIPED_WIDTH
    return found


def print_table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Iterable[str] = (),
    width: int | None = None,
) -> None:
    """Prints rows under a header; columns named in `right` are right-aligned, `width` is the most in all."""
    to_the_right = set(right)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in header:
        table.add_column(name, justify="right" if name in to_the_right else "left")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    print_rows(table, width=width)


def print_rows(table: Table, *, width: int | None = None) -> None:
    """Prints a table, so many columns wide at most; what is piped is not padded with blanks."""
    target = console()
    target.width = min(target.width, width or target.width)
    if target.is_terminal:
        target.print(table)
        return
    with target.capture() as captured:
        target.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
