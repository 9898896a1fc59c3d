"""`cnnexp runs`."""

from __future__ import annotations

import click

from cnnexp.cli.tables import print_table

HEADER = ("run", "name", "model", "data set", "val acc", "test acc", "epoch", "ended", "started", "seconds")


@click.command()
@click.option(
    "-n", "--number", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs."
)
@click.option("--experiment", help="Of this experiment only.  [default: all]")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def runs(number: int, experiment: str | None, tracking_uri: str | None) -> None:
    """List recent runs, newest first, with their best values."""
    from cnnexp.tracking.opening import NoStoreError
    from cnnexp.tracking.store import open_store

    try:
        store = open_store(tracking_uri, make=False)
    except NoStoreError as nothing:
        click.echo(str(nothing))
        return
    store.close_dead_runs()
    rows = store.recent_runs(number, experiment)
    if not rows:
        click.echo(f"No runs in {store.uri} yet; `cnnexp train` makes one.")
        return
    print_table(
        HEADER,
        (
            (
                row.run_id[:8],
                row.name,
                row.params.get("model", ""),
                row.params.get("dataset", ""),
                _value(row.metrics.get("best/val_accuracy"), ".4f"),
                _value(row.metrics.get("test/accuracy"), ".4f"),
                _value(row.metrics.get("best/epoch"), ".0f"),
                row.outcome or row.status.lower(),
                f"{row.started:%Y-%m-%d %H:%M}",
                _value(row.seconds, ".0f"),
            )
            for row in rows
        ),
        right=("val acc", "test acc", "epoch", "seconds"),
    )


def _value(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
