"""`cnnexp ui`."""

from __future__ import annotations

import subprocess
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import click

from cnnexp.cli.signals import end_like_ctrl_c
from cnnexp.errors import UserError

EXPERIMENT = "cnnexp"
START_SECONDS = 120  # MLflow's server takes 20 to 70 s on a slow machine


@click.command()
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
@click.option("--experiment", default=EXPERIMENT, show_default=True, help="Experiment to open at.")
@click.option("--study", metavar="NAME", help="Study to open at: its trials, best first.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port.  [default: the first free one from 5000]")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open a browser.")
def ui(
    tracking_uri: str | None,
    experiment: str,
    study: str | None,
    host: str,
    port: int | None,
    *,
    browser: bool,
) -> None:
    """Open MLflow's UI on the store that training writes to, at the table of runs, best first.

    Ctrl-C ends it.
    """
    from cnnexp.tracking.store import open_store
    from cnnexp.tracking.ui import is_server, reserved_port, ui_page
    from cnnexp.tracking.views import BEST, study_view

    # What is named must be there: a typing error must not make it.
    make = experiment == EXPERIMENT and study is None
    store = open_store(tracking_uri, make=make)
    if study is None:
        experiment_id, view = store.experiment_id(experiment, make=make), BEST
    else:
        experiment_id, view = store.experiment_of_study(study), study_view(study)
    if is_server(store.uri):
        _show(ui_page(store.uri, experiment_id, view), browser=browser)
        return
    with reserved_port(host, port or 5000) as found:
        if port is not None and found != port:
            raise UserError(f"port {port} is in use; leave --port out, or use --port {found}.")
        page = partial(ui_page, experiment_id=experiment_id, view=view)
        _serve(store.uri, page, host=host, port=found, browser=browser)


def _serve(store_uri: str, page: Callable[[str], str], *, host: str, port: int, browser: bool) -> None:
    from cnnexp.tracking.ui import ui_address, ui_command, ui_environment, wait_for_ui

    base = ui_address(host, port)
    click.echo(f"Starting MLflow's UI on {store_uri} ...")
    end_like_ctrl_c()
    # A session of its own keeps Ctrl-C from the server, which would answer with a traceback; we end it below.
    command = ui_command(store_uri, host, port)
    process = subprocess.Popen(command, env=ui_environment(), start_new_session=True)
    try:
        if not wait_for_ui(base, START_SECONDS, process):
            raise UserError(f"MLflow's UI did not answer on {base}; its own messages are above.")
        _show(page(base), browser=browser)
        click.echo("Ctrl-C ends it.")
        with suppress(KeyboardInterrupt):
            raise UserError(f"MLflow's UI ended by itself (code {process.wait()}); its messages are above.")
    finally:
        process.terminate()
        process.wait()


def _show(page: str, *, browser: bool) -> None:
    click.echo(page)
    if browser:
        webbrowser.open(page)
