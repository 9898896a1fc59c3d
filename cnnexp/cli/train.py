"""`cnnexp train`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from cnnexp.cli.options import SettingsCommand, given_settings, settings_options


@click.command(
    cls=SettingsCommand, epilog="Every option can also stand in the --config file or in CNNEXP_<NAME>."
)
@click.option(
    "--config", metavar="FILE", help="YAML file of settings; options on the command line win over it."
)
@click.option("--resume", metavar="RUN", help="Go on with a run: its id, a unique prefix, its name, or last.")
@click.option("-q", "--quiet", is_flag=True, help="Print the final result only.")
@settings_options
@click.pass_context
def train(
    context: click.Context, /, config: str | None, resume: str | None, quiet: bool, **_settings: object
) -> None:
    """Train a model and track the run in MLflow.

    With no option at all: LeNet on the 1,797 digits that come with scikit-learn, in under a minute.
    """
    given = given_settings(context)
    from cnnexp.cli.terminal import Terminal, say_result

    with _sigterm_as_ctrl_c(), Terminal(quiet=quiet) as terminal:
        import cnnexp

        result = cnnexp.train(
            config=Path(config) if config is not None else None, resume=resume, listener=terminal, **given
        )
    say_result(result)
    sys.exit(result.outcome.exit_code)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM ends the command like Ctrl-C, until the run is open and takes both itself."""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
