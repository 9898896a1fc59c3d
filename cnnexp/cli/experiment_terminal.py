"""How an experiment looks on a terminal: what will be run, and what came of it, 100 columns wide at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from cnnexp.cli.tables import WIDTH, print_rows, print_table
from cnnexp.cli.terminal import bold, completed
from cnnexp.training.events import Status

if TYPE_CHECKING:
    from cnnexp.published.report import ExperimentResult
    from cnnexp.published.run import Announcement
    from cnnexp.published.table import Row

_WORDS = {"what": 20, "network": 16, "verdict": 15}  # columns of words, and how narrow they may become


def say_plan(announced: Announcement) -> None:
    """Prints what will be run, and how long it will take where that was measured."""
    plan, count = announced.plan, len(announced.plan.children())
    race = "a race and " if plan.race is not None else ""
    click.echo(f"{plan.file.experiment.title} ({plan.form}): {race}{count} runs, {plan.seeds} seed(s)")
    if plan.form == "quick":
        click.echo(f"reduced: {plan.file.experiment.quick.what}")
    if announced.goes_on is not None:
        click.echo(f"goes on with run {announced.goes_on}: {announced.done} of {count} runs are finished")
    if announced.forecasts:
        print_table(
            ("arm", "runs", "each", "together"),
            [(one.arm, one.runs, one.each, one.together) for one in announced.forecasts],
            right=("runs", "each", "together"),
        )
        click.echo(f"about {announced.span} here, going by the fastest and the median of some steps of each")


def say_experiment(result: ExperimentResult, command: str) -> None:
    """Prints the tables, the rule, the answers, and where the runs are."""
    rows = [row for row in result.rows if not row.is_curve]
    for table in (_measured([row for row in rows if not row.is_count]), _counted(rows)):
        if table.row_count:
            print_rows(table, width=WIDTH)
            click.echo()
    print_rows(_sentences(result), width=WIDTH)
    table = _two_columns()
    table.add_row(result.outcome.status.value, escape(result.outcome.reason))
    files = "experiment/table.md, table.csv, plots"
    table.add_row("run", escape(f"{result.run_name}  {result.run_id}  ({files})"))
    tracking = next(iter(result.plan.arms.values())).tracking
    table.add_row("look", bold(completed("cnnexp ui", tracking, "experiment")))
    if result.outcome.status is Status.INTERRUPTED:
        table.add_row("go on", bold(command))
    print_rows(table)  # a command is not broken into lines


def _measured(rows: Sequence[Row]) -> Table:
    """Returns the figures of runs; each arm's name stands above them."""
    table = _table(["what", "published", "ours", "95 % interval", "difference", "verdict"])
    for arm in dict.fromkeys(row.arm for row in rows):
        listed = [row for row in rows if row.arm == arm]
        seeds = max(len(row.ours) for row in listed)
        table.add_row(bold(f"{arm}, {seeds or 'no'} seed{'' if seeds == 1 else 's'}"))
        for row in listed:
            _, what, published, ours, interval, _, difference, verdict, _ = map(escape, row.cells())
            table.add_row(f"  {what}", published, ours, interval, difference, verdict)
    return table


def _counted(rows: Sequence[Row]) -> Table:
    """Returns the counts of networks."""
    table = _table(["network", "what", "published", "ours", "difference", "verdict"])
    for row in rows:
        if row.is_count:
            network, what, published, ours, _, _, difference, verdict, _ = map(escape, row.cells())
            table.add_row(network, what, published, ours, difference, verdict)
    return table


def _table(header: Sequence[str]) -> Table:
    """Returns an empty table whose words may be wrapped, its numbers not."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in header:
        narrowest = _WORDS.get(name)
        table.add_column(
            name,
            justify="left" if narrowest else "right",
            no_wrap=narrowest is None,
            min_width=narrowest,
            overflow="fold",
        )
    return table


def _two_columns() -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _sentences(result: ExperimentResult) -> Table:
    """Returns how the figures came about, the rule, and the answers."""
    table = _two_columns()
    for number, sentence in enumerate(_how(result)):
        table.add_row("" if number else "how", escape(sentence))
    for ask, sentences in result.answers:
        table.add_row("asked", bold(ask))
        for sentence in sentences:
            table.add_row("", escape(sentence))
    return table


def _how(result: ExperimentResult) -> Iterator[str]:
    from cnnexp.published.table import RULE, spread_sentence

    yield from result.conditions()
    yield RULE
    spread = spread_sentence(result.rows)
    if spread is not None:
        yield spread
