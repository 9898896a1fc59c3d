"""`cnnexp experiment`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from cnnexp.cli.output import check_writable
from cnnexp.cli.signals import sigterm_as_ctrl_c
from cnnexp.errors import UserError
from cnnexp.published import find_experiment
from cnnexp.published.read import read_experiment
from cnnexp.published.request import Request, check_request
from cnnexp.settings import Given

PLACE = ("tracking_uri", "experiment", "data_dir", "device", "threads")


@click.command()
@click.argument("name", metavar="NAME|FILE.yaml")
@click.option("--quick", is_flag=True, help="The reduced form that the file states: about a minute.")
@click.option("--seeds", type=int, metavar="N", help="Seeds of every arm; else as the file says.")
@click.option("--arms", default="", metavar="A,B,...", help="Only these arms.")
@click.option(
    "--dataset", "datasets", multiple=True, metavar="[ROLE=]SET", help="Data in place of the file's."
)
@click.option(
    "--override", multiple=True, metavar="NAME=VALUE", help="Another value of a setting, for every arm."
)
@click.option("--fresh", is_flag=True, help="Start anew in place of going on with an unfinished run.")
@click.option("--dry-run", is_flag=True, help="Say what would be run and how long it would take, and end.")
@click.option("--yes", "long", is_flag=True, help="Run it also where it will take hours.")
@click.option("--write", metavar="FILE.yaml", help="Write the experiment's file, to start from, and end.")
@click.option("--force", is_flag=True, help="Let --write overwrite.")
@click.option("--data-dir", help="Folder where data sets lie; else ./data.")
@click.option("--device", help="auto, cpu, cuda, mps.")
@click.option("--threads", type=int, help="CPU threads; 0: as PyTorch chooses.")
@click.option("--experiment", help="MLflow experiment.  [default: cnnexp]")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
@click.option("-q", "--quiet", is_flag=True, help="Print the final result only.")
@click.pass_context
def experiment(
    context: click.Context,
    /,
    name: str,
    *,
    fresh: bool,
    dry_run: bool,
    long: bool,
    write: str | None,
    force: bool,
    quiet: bool,
    **_request_and_place: object,
) -> None:
    """Run a published experiment and set its figures beside the published ones.

    NAME is one of `cnnexp experiments`, or your own file of the same form. Every training is a nested run in
    MLflow; what was interrupted goes on when the same command is given again. At the end stands a table
    published / ours / difference / within the spread or not, and the answers to what the original asked.
    """
    if write is not None:
        _write(name, write, force=force)
        return
    request = _request(context)
    check_request(read_experiment(find_experiment(name)), request)  # before what takes seconds to import
    from cnnexp.cli.experiment_terminal import say_experiment, say_plan
    from cnnexp.cli.terminal import Terminal

    with sigterm_as_ctrl_c(), Terminal(quiet=quiet) as terminal:
        from cnnexp.published.run import run_published

        result = run_published(
            name,
            request,
            fresh=fresh,
            long=long,
            dry_run=dry_run,
            listener=terminal,
            announce=lambda one: None if quiet else say_plan(one),
        )
    if result is not None:
        say_experiment(result, shlex.join(["cnnexp", "experiment", *sys.argv[2:]]))
        sys.exit(result.outcome.exit_code)


def _request(context: click.Context) -> Request:
    typed = context.params
    return Request(
        quick=typed["quick"],
        seeds=typed["seeds"],
        arms=tuple(one.strip() for one in typed["arms"].split(",") if one.strip()),
        datasets=typed["datasets"],
        place=_given(context),
        override=_overrides(typed["override"]),
    )


def _given(context: click.Context) -> dict[str, Given]:
    values = {name: context.params[name] for name in PLACE}
    given = {name: value for name, value in values.items() if value is not None}
    return {name: Given(value, f"--{name.replace('_', '-')}") for name, value in given.items()}


def _overrides(texts: tuple[str, ...]) -> dict[str, Given]:
    from cnnexp.cli.options import pairs_of

    for text in texts:
        if "=" not in text.strip("="):
            raise UserError(f"--override {text} must be NAME=VALUE, such as epochs=3.")
    return {name: Given(value, "--override") for name, value in pairs_of(texts, "override").items()}


def _write(name: str, path: str, *, force: bool) -> None:
    text = find_experiment(name).read_text(encoding="utf-8")
    check_writable(path, suffixes=(".yaml", ".yml"), option="--write", force=force)
    Path(path).write_text(text, encoding="utf-8")
    click.echo(f"Wrote {path}; change it, then `cnnexp experiment {shlex.quote(path)}`.")
