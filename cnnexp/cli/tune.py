"""`cnnexp tune`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cnnexp.cli.options import SettingsCommand, given_settings, settings_options
from cnnexp.cli.signals import sigterm_as_ctrl_c
from cnnexp.process import warm_up_workers
from cnnexp.settings import TuneSettings


class TuneCommand(SettingsCommand):
    """Shows the settings of a study after those of its runs."""

    schema = TuneSettings


@click.command(
    cls=TuneCommand,
    epilog="Every option can also stand in the --config file or in CNNEXP_<NAME>. Time limit and seed "
    "are those of the whole study.",
)
@click.option(
    "--config", metavar="FILE", help="YAML file of settings; options on the command line win over it."
)
@click.option("--resume", metavar="STUDY", help="Go on with a study by its name, with its own settings.")
@click.option("--yes", "many", is_flag=True, help="Search a grid of more than 1,000 cells without asking.")
@click.option("-q", "--quiet", is_flag=True, help="Print the final result only.")
@settings_options(TuneSettings)
@click.pass_context
def tune(
    context: click.Context,
    /,
    config: str | None,
    resume: str | None,
    *,
    many: bool,
    quiet: bool,
    **_settings: object,
) -> None:
    """Search settings and model arguments with Optuna; every trial is a nested run in MLflow.

    With no option at all: depth, widths, kernel size, pooling, batch size and learning rate of a convnet on
    the 1,797 digits that come with scikit-learn, 40 trials. Trial 0 has the defaults. The same command goes
    on with a study that was stopped, and joins it from another process or machine.
    """
    given = given_settings(context, TuneSettings)
    if context.params["jobs"] != "1" and context.params["engine"] in (None, "local"):
        warm_up_workers()  # they import while this process does
    from cnnexp.cli.study_terminal import StudyTerminal, say_study

    with sigterm_as_ctrl_c(), StudyTerminal(quiet=quiet) as terminal:
        from cnnexp.tuning import tune as search

        result = search(
            config=Path(config) if config is not None else None,
            resume=resume,
            many=many,
            listener=terminal,
            **given,
        )
    say_study(result)
    sys.exit(result.outcome.exit_code)
