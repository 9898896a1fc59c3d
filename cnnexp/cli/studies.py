"""`cnnexp studies`."""

from __future__ import annotations

import click

from cnnexp.cli.tables import print_table

HEADER = ("study", "objective", "finished", "running", "best", "started")
storage_option = click.option("--storage", help="Optuna storage; else optuna.db beside the MLflow store.")
tracking_option = click.option(
    "--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder."
)


@click.group(invoke_without_command=True)
@storage_option
@tracking_option
@click.pass_context
def studies(context: click.Context, /, storage: str | None, tracking_uri: str | None) -> None:
    """List studies; `cnnexp studies delete NAME` removes one with its runs."""
    if context.invoked_subcommand is not None:
        return
    from cnnexp.tracking.opening import NoStoreError
    from cnnexp.tracking.store import open_store
    from cnnexp.tuning.storage import hidden, storage_url
    from cnnexp.tuning.studies import list_studies

    try:
        url = storage_url(storage, "" if storage else open_store(tracking_uri, make=False).uri)
    except NoStoreError as nothing:
        click.echo(str(nothing))
        return
    rows = list_studies(url)
    if not rows:
        click.echo(f"No studies in {hidden(url)} yet; `cnnexp tune` makes one.")
        return
    print_table(
        HEADER,
        (
            (
                row.name,
                ", ".join(row.objectives),
                row.finished,
                row.running,
                "" if row.best is None else f"{row.best:.4g}",
                "" if row.started is None else f"{row.started:%Y-%m-%d %H:%M}",
            )
            for row in rows
        ),
        right=("finished", "running", "best"),
    )


@studies.command()
@click.argument("name", metavar="STUDY")
@storage_option
@tracking_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, storage: str | None, tracking_uri: str | None, *, yes: bool) -> None:
    """Remove a study, its run and its trials' runs together."""
    from cnnexp.tracking.store import open_store
    from cnnexp.tuning.storage import storage_url
    from cnnexp.tuning.studies import delete_study

    store = open_store(tracking_uri, make=False)
    store.close_dead_runs()
    if not yes:
        click.confirm(f"Delete study {name!r} with all its runs?", abort=True)
    deleted = delete_study(name, storage_url(storage, store.uri), store)
    click.echo(f"study {name} and {deleted} runs are deleted")
