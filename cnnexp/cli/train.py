"""`cnnexp train`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cnnexp.cli.options import SettingsCommand, given_settings, settings_options
from cnnexp.cli.signals import sigterm_as_ctrl_c


@click.command(
    cls=SettingsCommand, epilog="Every option can also stand in the --config file or in CNNEXP_<NAME>."
)
@click.option(
    "--config", metavar="FILE", help="YAML file of settings; options on the command line win over it."
)
@click.option("--resume", metavar="RUN", help="Go on with a run: its id, a unique prefix, its name, or last.")
@click.option("--from-trial", metavar="STUDY:N", help="Start from the settings of trial N of a study.")
@click.option("-q", "--quiet", is_flag=True, help="Print the final result only.")
@settings_options()
@click.pass_context
def train(
    context: click.Context,
    /,
    config: str | None,
    resume: str | None,
    from_trial: str | None,
    *,
    quiet: bool,
    **_settings: object,
) -> None:
    """Train a model and track the run in MLflow.

    With no option at all: LeNet on the 1,797 digits that come with scikit-learn, in under a minute.
    """
    given = given_settings(context)
    from cnnexp.cli.terminal import Terminal, say_result

    with sigterm_as_ctrl_c(), Terminal(quiet=quiet) as terminal:
        import cnnexp

        result = cnnexp.train(
            config=Path(config) if config is not None else None,
            resume=resume,
            from_trial=from_trial,
            listener=terminal,
            **given,
        )
    say_result(result)
    sys.exit(result.outcome.exit_code)
