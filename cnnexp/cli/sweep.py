"""`cnnexp sweep`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli.options import SettingsCommand, given_settings, settings_options
from cnnexp.cli.signals import sigterm_as_ctrl_c
from cnnexp.process import warm_up_workers
from cnnexp.settings import GridSettings

if TYPE_CHECKING:
    from cnnexp.tuning.result import SweepResult


class SweepCommand(SettingsCommand):
    """Shows the settings of a sweep after those of its runs."""

    schema = GridSettings


@click.command(
    cls=SweepCommand,
    epilog="Every option can also stand in the --config file or in CNNEXP_<NAME>. --max-time is the sweep's.",
)
@click.option(
    "--config", metavar="FILE", help="YAML file of settings; options on the command line win over it."
)
@click.option("--resume", metavar="SWEEP", help="Go on with a sweep by its name, with its own settings.")
@click.option("--yes", "many", is_flag=True, help="Train more than 1,000 times without asking.")
@click.option("-q", "--quiet", is_flag=True, help="Print the final result only.")
@settings_options(GridSettings)
@click.pass_context
def sweep(
    context: click.Context,
    /,
    config: str | None,
    resume: str | None,
    *,
    many: bool,
    quiet: bool,
    **_settings: object,
) -> None:
    """Train every combination of some settings' values, with several seeds, and compare them.

    `--vary kernel_size=3,5,7 --vary batch_size=16,64 --seeds 3` is 18 trainings, each a nested run in MLflow;
    the sweep's own run has the table, the figures, and for each setting what can be told from chance. The
    same command goes on with a sweep that was stopped, and with more --seeds adds them. The test part is not
    touched.
    """
    given = given_settings(context, GridSettings)
    if context.params["jobs"] != "1" and context.params["engine"] in (None, "local"):
        warm_up_workers()  # they import while this process does
    from cnnexp.cli.study_terminal import SweepTerminal

    with sigterm_as_ctrl_c(), SweepTerminal(quiet=quiet) as terminal:
        from cnnexp.tuning import sweep as run_sweep

        result = run_sweep(
            config=Path(config) if config is not None else None,
            resume=resume,
            many=many,
            listener=terminal,
            **given,
        )
    say_sweep(result)
    sys.exit(result.outcome.exit_code)


def say_sweep(result: SweepResult) -> None:
    """Prints the table, what each setting does, and how to look at the sweep or go on with it."""
    from rich.markup import escape
    from rich.table import Table

    from cnnexp.cli.tables import print_rows, print_table
    from cnnexp.cli.terminal import bold, completed
    from cnnexp.training.events import Status
    from cnnexp.tuning.compare import RULE
    from cnnexp.tuning.tables import MEASURED, header_of, rows_of

    print_table(header_of(result.varied), rows_of(result.varied, result.cells), right=MEASURED)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("sweep", f"{escape(result.name)}: {escape(result.outcome.reason)}")
    for number, sentence in enumerate(result.sentences):
        table.add_row("" if number else "found", escape(sentence))
    if any(one.interval is not None for one in result.effects):
        table.add_row("", escape(RULE))
    for note in dict.fromkeys(cell.note for cell in result.cells if cell.note):
        table.add_row("not trained", escape(note))
    if result.command:
        table.add_row("best cell", bold(result.command))
    table.add_row("storage", escape(result.storage))
    table.add_row("look", bold(completed("cnnexp ui", result.tracking, "experiment")))
    if result.outcome.status is not Status.COMPLETED:
        go_on = f"cnnexp sweep --resume {shlex.quote(result.name)}"
        table.add_row("go on", bold(completed(go_on, result.tracking)))
    print_rows(table)
