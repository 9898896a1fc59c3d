"""`cnnexp serve`."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli.signals import end_like_ctrl_c
from cnnexp.errors import UserError

if TYPE_CHECKING:
    from cnnexp.results.recorded import Recorded

FIRST_PORT = 5001  # `cnnexp ui` begins with 5000
START_SECONDS = 120  # MLflow and PyTorch are imported first


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port.  [default: the first free one from 5001]")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def serve(*, run: str, host: str, port: int | None, tracking_uri: str | None) -> None:
    """Answer HTTP requests with the logged model of a run, by MLflow's model server in this environment.

    RUN is an id, the start of one, a name, last, best, or a model's URI such as models:/NAME@champion. A
    request to try is printed. Whoever reaches the address can ask: by default this machine alone. Ctrl-C
    ends it.
    """
    from cnnexp.results.recorded import find_recorded
    from cnnexp.tracking.model_registry import uri_of_model
    from cnnexp.tracking.model_uri import Meant
    from cnnexp.tracking.store import open_store
    from cnnexp.tracking.ui import reserved_port

    recorded = find_recorded(open_store(tracking_uri, make=False), run)
    model_uri = uri_of_model(recorded.store, Meant(recorded.run_id, recorded.model_id))
    with (
        reserved_port(host, port or FIRST_PORT) as found,
        tempfile.TemporaryDirectory(prefix="cnnexp-") as folder,
    ):
        if port is not None and found != port:
            raise UserError(f"port {port} is in use; leave --port out, or use --port {found}.")
        _serve(recorded, model_uri, Path(folder), host=host, port=found)


def _serve(recorded: Recorded, model_uri: str, folder: Path, *, host: str, port: int) -> None:
    from cnnexp.tracking import model_server
    from cnnexp.tracking.ui import ui_address, wait_for_ui

    base = ui_address(host, port)
    request = model_server.example_request(recorded.store, model_uri, folder)
    text = _text(f"{base}/invocations", request, recorded)
    click.echo(f"Starting MLflow's server of run {recorded.label} ({model_uri}) ...")
    end_like_ctrl_c()
    # A session of its own keeps Ctrl-C from the server, which would answer with a traceback; we end it below.
    command = model_server.server_command(model_uri, host, port)
    environment = model_server.server_environment(recorded.store.uri)
    server = subprocess.Popen(command, env=environment, start_new_session=True)
    with suppress(KeyboardInterrupt):
        try:
            if not wait_for_ui(base, START_SECONDS, server):
                raise UserError(f"the server did not answer on {base}; its own messages are above.")
            click.echo(text)
            raise UserError(f"the server ended by itself (code {server.wait()}); its messages are above.")
        finally:
            model_server.end_server(server)


def _text(url: str, request: Path, recorded: Recorded) -> str:
    """Returns what is said once the server answers."""
    from cnnexp.tracking.model_server import requests_to_try

    data = recorded.data
    shell, python = requests_to_try(url, request, data.image, recorded.settings.data.fit)
    columns = ", ".join(data.class_names)
    return (
        f"It answers on {url}: of each image the probabilities of {columns}.\n\nTwo test images, from a "
        f"shell:\n\n{shell}\n\nA photo of yours, from Python:\n\n{python}\n\nCtrl-C ends it."
    )
