"""`cnnexp sync`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS = {
    "batch": "groups of values",
    "artifact": "files",
    "dataset": "data sets",
    "model": "models",
    "model input": "links",
    "end": "end",
}


@click.command(epilog="Exit code: 0 all is sent, 1 something is left, 2 bad input.")
@click.argument("folder", metavar="[FOLDER]", required=False)
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def sync(*, folder: str | None, tracking_uri: str | None) -> None:
    """Send what could not reach the tracking store, once and only once.

    Runs leave it in cnnexp-runs, beside their files. FOLDER holds such a folder, perhaps copied from another
    machine; without it this folder and those of this machine's runs are looked through. Runs of living
    processes are left alone.
    """
    from cnnexp.cli.tables import print_table
    from cnnexp.tracking.store import open_store
    from cnnexp.tracking.sync import sync as send

    store = open_store(tracking_uri, make=False)
    found = list(send(store, None if folder is None else Path(folder)))
    if not found:
        click.echo("Nothing is left to send.")
        return
    print_table(
        ("run", "name", "sent", "left"),
        ((one.run_id[:8], one.name, _sent(one.delivered.sent), one.delivered.why) for one in found),
    )
    sys.exit(1 if any(one.delivered.why for one in found) else 0)


def _sent(sent: Mapping[str, int]) -> str:
    parts = [f"{count} {_WORDS[kind]}" if kind != "end" else "its end" for kind, count in sent.items()]
    return ", ".join(parts) or "nothing"
