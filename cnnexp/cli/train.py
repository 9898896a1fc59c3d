"""`cnnexp train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from cnnexp.cli.options import SettingsCommand, given_settings, settings_options
from cnnexp.cli.signals import sigterm_as_ctrl_c


@click.command(
    cls=SettingsCommand, epilog="Every option can also stand in the --config file or in CNNEXP_<NAME>."
)
@click.option(
    "--config", metavar="FILE", help="YAML file of settings; options on the command line win over it."
)
@click.option(
    "--seeds",
    type=click.INT,
    metavar="N",
    help="Train N times, with seeds s, s+1, ... from --seed: a nested run each, and mean and spread of all.",
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
    seeds: int | None,
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
    from cnnexp.cli.terminal import Terminal, say_result, say_seeds

    with sigterm_as_ctrl_c(), Terminal(quiet=quiet) as terminal:
        import cnnexp
        from cnnexp.experiment.seeds import is_seeds_run

        path = Path(config) if config is not None else None
        asked: dict[str, Any] = {"config": path, "resume": resume, "from_trial": from_trial, **given}
        several = seeds is not None or (
            resume is not None and is_seeds_run(resume, config=path, settings=given)
        )
        result = (
            cnnexp.train_seeds(seeds, listener=terminal, **asked)
            if several
            else cnnexp.train(listener=terminal, **asked)
        )
    if isinstance(result, cnnexp.Result):
        say_result(result)
    else:
        say_seeds(result)
    sys.exit(result.outcome.exit_code)
