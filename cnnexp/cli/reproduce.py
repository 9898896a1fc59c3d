"""`cnnexp reproduce`."""

from __future__ import annotations

import sys

import click

from cnnexp.cli.named import check_runs
from cnnexp.cli.signals import sigterm_as_ctrl_c


@click.command(epilog="Exit code: 0 identical, 1 not identical, 2 bad input, 130 interrupted.")
@click.argument("run", metavar="RUN")
@click.option("--epochs", type=click.IntRange(min=1), help="Train and compare the first so many only.")
@click.option("--anyway", is_flag=True, help="Go on where the data have changed.")
@click.option("--data-dir", envvar="CNNEXP_DATA_DIR", help="Folder where data sets lie; else as in the run.")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
@click.option("-q", "--quiet", is_flag=True, help="Print the final result only.")
def reproduce(
    *,
    run: str,
    epochs: int | None,
    anyway: bool,
    data_dir: str | None,
    tracking_uri: str | None,
    quiet: bool,
) -> None:
    """Train a run again from what it recorded, and say whether it comes out the same.

    RUN is an id, the start of one, a name, last, best, or the URI of a model. What has changed since
    (versions, device, CPU, code, data) is said first. Every number of every epoch, the test predictions and
    the weights are compared bit for bit.
    """
    check_runs([run], tracking_uri)
    from rich.markup import escape
    from rich.table import Table

    from cnnexp.cli.tables import print_rows
    from cnnexp.cli.terminal import Terminal

    with sigterm_as_ctrl_c(), Terminal(quiet=quiet) as terminal:
        from cnnexp.results.reproduce import reproduce as run_again

        found = run_again(
            run, epochs=epochs, anyway=anyway, data_dir=data_dir, tracking_uri=tracking_uri, listener=terminal
        )
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("run", escape(f"{found.original_name}  {found.original_id}"))
    table.add_row("trained again", escape(f"{found.run_name}  {found.run_id}"))
    table.add_row("result", f"[bold]{escape(found.finding)}[/]")
    for what in found.comparison.left_out:
        table.add_row("not compared", escape(what))
    if found.reason:
        table.add_row("likely reason", escape(found.reason))
    print_rows(table)
    sys.exit(found.exit_code)
