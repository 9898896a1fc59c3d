"""`cnnexp compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli.missing import A_RUN
from cnnexp.cli.named import check_runs
from cnnexp.cli.output import check_writable, make_folder
from cnnexp.errors import UserError

if TYPE_CHECKING:
    from cnnexp.results.compare import Comparison

_MOST_COLUMNS = 6  # groups side by side on a terminal
_MOST_ROWS = 20


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--study", metavar="S", help="Compare the trials of a study or sweep, by validation accuracy.")
@click.option("--experiment", metavar="E", help="Compare the tested runs of an experiment.")
@click.option("--dataset", metavar="NAME", help="Of an experiment, compare only runs on this data set.")
@click.option("--group-by", metavar="SETTING", help="Runs of equal value of this setting are one group.")
@click.option("--anyway", is_flag=True, help="Compare runs of different data.")
@click.option(
    "-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write tables as .csv, .md or .tex."
)
@click.option("--figures", metavar="DIR", help="Draw curves, matrices and images as PNG files.")
@click.option("--log", "logs", is_flag=True, help="Log the comparison as a run of its own in MLflow.")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def compare(
    runs: tuple[str, ...],
    study: str | None,
    experiment: str | None,
    dataset: str | None,
    group_by: str | None,
    outputs: tuple[str, ...],
    figures: str | None,
    tracking_uri: str | None,
    *,
    anyway: bool,
    logs: bool,
    force: bool,
) -> None:
    """Compare finished runs: what differs, which is better, and whether that can be told from chance.

    RUN is an id, a unique prefix, a name, last, best, or a model's URI; a run of several seeds
    (`train --seeds`) is one group. Nothing is evaluated anew.
    """
    if not runs and study is None and experiment is None:
        raise UserError(
            f"RUN is missing: give two or more, each {A_RUN}; or --study S, or --experiment E. For example: "
            "cnnexp compare last best"
        )
    _check_places(outputs, figures, force=force)
    check_runs(runs, tracking_uri)
    import cnnexp
    from cnnexp.results.compare_tables import write_tables

    found = cnnexp.compare(
        *runs,
        study=study,
        experiment=experiment,
        dataset=dataset,
        group_by=group_by,
        anyway=anyway,
        tracking_uri=tracking_uri,
    )
    _say(found)
    for path in outputs:
        write_tables(found, Path(path))
        click.echo(f"wrote {path}")
    if figures is not None or logs:
        _draw(found, figures, logs=logs)


def _check_places(outputs: tuple[str, ...], figures: str | None, *, force: bool) -> None:
    for path in outputs:
        check_writable(path, suffixes=(".csv", ".md", ".tex"), option="-o", force=force)
    if figures is None:
        return
    there = sorted(one.name for one in make_folder(figures, option="--figures").glob("*.png"))
    if there and not force:
        raise UserError(
            f"--figures {figures} has pictures already ({there[0]}); give --force to overwrite those of the "
            "same name, or another folder."
        )


def _say(found: Comparison) -> None:
    from rich.markup import escape
    from rich.table import Table

    from cnnexp.cli.tables import print_rows, print_table
    from cnnexp.results.compare_tables import results_table, settings_table
    from cnnexp.results.verdict import RULE, scope_of

    header, rows = settings_table(found)
    if len(found.groups) <= _MOST_COLUMNS and rows:
        print_table(header, rows)
        click.echo()
    header, rows = results_table(found)
    print_table(header, rows[:_MOST_ROWS], right=header[1:])
    if len(rows) > _MOST_ROWS:
        click.echo(f"… and {len(rows) - _MOST_ROWS} more; -o writes all.")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, sentence in enumerate(found.sentences):
        table.add_row("" if number else "found", escape(sentence))
    for scope in dict.fromkeys(filter(None, map(scope_of, found.pairs))):
        table.add_row("", escape(scope))
    for note in found.notes:
        table.add_row("note", escape(note))
    if any(pair.p is not None for pair in found.pairs):
        table.add_row("rule", escape(RULE.removeprefix("Rule: ")))
    if found.test_part:
        table.add_row("test part", escape(found.test_part.removeprefix("Test part: ")))
    print_rows(table)


def _draw(found: Comparison, figures: str | None, *, logs: bool) -> None:
    from cnnexp.cli.output import save_figure
    from cnnexp.results.compare_figures import figures_of
    from cnnexp.results.compare_record import log_comparison

    drawn, notes = figures_of(found)
    for note in notes:
        click.echo(f"Note: {note}", err=True)
    if figures is not None:
        for name, figure in drawn.items():
            click.echo(f"wrote {save_figure(figure, Path(figures) / f'{name}.png', option='--figures')}")
    if logs:
        run = log_comparison(found, drawn)
        click.echo(f"logged as run {run.name} ({run.id})")
