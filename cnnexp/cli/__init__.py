"""The command line: a file per command, each loaded when it is called.

`cnnexp --help` must answer at once, so this module imports nothing but click and knows each command's help.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from cnnexp.errors import UserError
from cnnexp.process import collect_rarely

# Name -> help. Each is the function of that name in cnnexp.cli.<name>.
COMMANDS = {
    "train": "Train a model and track the run in MLflow.",
    "tune": "Search settings and model arguments; every trial is a nested run.",
    "sweep": "Train every combination of some values with several seeds, and compare.",
    "studies": "List studies, or delete one with its runs.",
    "experiments": "List the published experiments that ship as files.",
    "experiment": "Run one, and set its figures beside the published ones.",
    "runs": "List recent runs with their best values.",
    "compare": "Compare runs: what differs, which is better, and whether that can be told.",
    "report": "Write a run, a study or an experiment as one page to hand in.",
    "evaluate": "Evaluate a finished model on other data or another part.",
    "predict": "Tell the class of photos with the network of a run.",
    "export": "Write the classifier of a run to one file, ONNX or pt2.",
    "serve": "Answer HTTP requests with the logged model of a run.",
    "register": "Give the model of a run a name in MLflow's registry.",
    "reproduce": "Train a run again, and say whether it comes out the same.",
    "sync": "Send what could not reach the tracking server.",
    "ui": "Open MLflow's UI on the store that training writes to.",
    "models": "List the registered models.",
    "show": "Show the layers of a network, draw it, or compare several.",
    "look": "Draw a trained network's filters, feature maps and Grad-CAM of images.",
    "conv": "Convolution by hand: watch it, prove it, time it, train with it.",
    "datasets": "List the registered data sets and what is on disk.",
    "data": "Look at a data set before training on it: balance, duplicates, doubtful labels.",
    "doctor": "Say what is installed and found, and what is wrong.",
    "cache": "Show or clear the decoded images kept on disk.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called.

    Attributes:
        commands_help: name to help, in the order a new user needs them.
        prefix: what precedes a command's name in the name of its module.
    """

    commands_help: Mapping[str, str] = COMMANDS
    prefix = "cnnexp.cli."

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Returns the commands in the order a new user needs them."""
        return list(self.commands_help)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports one command."""
        if cmd_name not in self.commands_help:
            return None
        module = importlib.import_module(f"{self.prefix}{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.commands_help.items()))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Runs a command; an argument that it lacks is said with what is allowed."""
        try:
            return super().invoke(ctx)
        except click.MissingParameter as error:
            from cnnexp.cli.missing import missing

            raise missing(error) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds a command; an unknown one gets the nearest name and the list."""
        if args and args[0] not in self.commands_help and not args[0].startswith("-"):
            from cnnexp.errors import UnknownNameError

            raise UnknownNameError("command", args[0], self.commands_help)
        return super().resolve_command(ctx, args)


def _underscores_too(name: str) -> str:
    """`mlflow run -P batch_size=32` arrives as `--batch_size 32`."""
    return name.replace("_", "-") if name.startswith("--") or "_" in name else name


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": _underscores_too},
)
@click.version_option(package_name="cnnexp", message="cnnexp %(version)s")
def cli() -> None:
    """Experiments with convolutional networks, tracked in MLflow."""


def main() -> NoReturn:
    """Runs the command line; bad input ends with one sentence and exit code 2, never with a traceback."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    collect_rarely()
    arguments: dict[str, Any] = {"prog_name": "cnnexp", "standalone_mode": False}
    try:
        code = cli.main(**arguments)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:  # its message is the help
        click.echo(error.format_message(), err=True)
        code = error.exit_code
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = 130
    except BrokenPipeError:  # `cnnexp runs | head`
        sys.stderr.close()
        code = 0
    gc.freeze()  # else the interpreter's end looks through a million objects of torch and MLflow: 1.3 s
    sys.exit(code if isinstance(code, int) else 0)
