"""Tables on a terminal, whole where there is none: what is piped must not be cut at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PIPED_WIDTH = 400  # columns


def console() -> Console:
    """Returns a console on standard output."""
    found = Console(highlight=False, soft_wrap=False)
    if not found.is_terminal:
        found.width = PIPED_WIDTH
    return found


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()
) -> None:
    """Prints rows under a header; columns named in `right` are right-aligned."""
    to_the_right = set(right)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in header:
        table.add_column(name, justify="right" if name in to_the_right else "left")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    print_rows(table)


def print_rows(table: Table) -> None:
    """Prints a table; what is piped is not padded with blanks to the width of a column."""
    target = console()
    if target.is_terminal:
        target.print(table)
        return
    with target.capture() as captured:
        target.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
