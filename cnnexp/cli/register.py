"""`cnnexp register`."""

from __future__ import annotations

import click


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("name", metavar="NAME")
@click.option("--alias", help="Alias that means this version from now on, such as champion.")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def register(*, run: str, name: str, alias: str | None, tracking_uri: str | None) -> None:
    """Give the logged model of a run a name in MLflow's registry, and print the URI it is found by.

    RUN is an id, the start of one, a name, last, best, or a model's URI. The URI is accepted wherever a RUN
    is, and by MLflow. A model that has the name already keeps its version.
    """
    from cnnexp.tracking.model_registry import register_version
    from cnnexp.tracking.store import open_store

    store = open_store(tracking_uri, make=False)
    found = register_version(store, store.find_model(run), name, alias=alias)
    said = "Registered as" if found.is_new else "It is"
    before = "" if found.before is None else f"; {alias} was version {found.before}"
    click.echo(f"{said} version {found.version} of {name}{before}.", err=True)
    click.echo(f"models:/{name}/{found.version}" if alias is None else f"models:/{name}@{alias}")
