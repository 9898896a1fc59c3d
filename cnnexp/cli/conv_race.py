"""`cnnexp conv race`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli.options import SettingsCommand, given_settings, settings_options
from cnnexp.cli.signals import sigterm_as_ctrl_c
from cnnexp.settings import RaceSettings

if TYPE_CHECKING:
    from cnnexp.experiment.race_report import RaceResult


class RaceCommand(SettingsCommand):
    """Shows the settings with the race's own defaults."""

    schema = RaceSettings


@click.command(
    cls=RaceCommand, epilog="Every option can also stand in the --config file or in CNNEXP_<NAME>."
)
@click.option(
    "--algorithms",
    default="loop,im2col,torch",
    show_default=True,
    metavar="A,B,...",
    help="Who races: loop, im2col, shift, fft, winograd, auto; torch is always there.",
)
@click.option(
    "--config", metavar="FILE", help="YAML file of settings; options on the command line win over it."
)
@click.option("--yes", "long", is_flag=True, help="Wait for loop also where it will take over ten minutes.")
@click.option("-q", "--quiet", is_flag=True, help="Print the final result only.")
@settings_options(RaceSettings)
@click.pass_context
def race(
    context: click.Context,
    /,
    algorithms: str,
    config: str | None,
    *,
    long: bool,
    quiet: bool,
    **_settings: object,
) -> None:
    """Train the same network with several algorithms, from the same weights.

    One convolution of 32 kernels, batch norm, ReLU, average, a linear layer: trained with the convolution as
    Python loops, as the chosen algorithms and as torch has it, on the same batches. Each is a nested run in
    MLflow; the race's own run has the curves, the times and what they say.

    The published experiment has 320 photos of 64×64, where the loops take the better part of an hour an
    epoch. With no option the race is run on the 1,797 digits of 8×8, in about a minute. With
    `--dataset folder:PATH --image-size 64` it is the published one: how long the loops will take here is
    said before, and over ten minutes need --yes.
    """
    given = given_settings(context, RaceSettings)
    from cnnexp.cli.terminal import Terminal

    with sigterm_as_ctrl_c(), Terminal(quiet=quiet) as terminal:
        from cnnexp.experiment.race import race as run_race

        result = run_race(
            [name.strip() for name in algorithms.split(",") if name.strip()],
            config=Path(config) if config is not None else None,
            long=long,
            listener=terminal,
            interrupt=None,
            **given,
        )
    say_race(result)
    sys.exit(result.outcome.exit_code)


def say_race(result: RaceResult) -> None:
    """Prints the table, what it says, and how to look at the runs."""
    from rich.markup import escape
    from rich.table import Table

    from cnnexp.cli.tables import print_rows, print_table
    from cnnexp.cli.terminal import bold, completed
    from cnnexp.experiment.race_report import HEADER, rows_of, sentences_of
    from cnnexp.training.events import Status

    print_table(HEADER, rows_of(result), right=HEADER[1:])
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    if result.outcome.status is not Status.COMPLETED:
        table.add_row(result.outcome.status.value, escape(result.outcome.reason))
    for number, sentence in enumerate(sentences_of(result)):
        table.add_row("" if number else "found", escape(sentence))
    table.add_row("start", f"all from the same weights (sha256 {result.torch.start}...)")
    table.add_row("run", escape(f"{result.run_name}  {result.run_id}"))
    table.add_row("look", bold(completed("cnnexp ui", result.settings.tracking, "experiment")))
    print_rows(table)
