"""MLflow's own server of a logged model, in this environment, and what to ask it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from typing import Literal

from cnnexp.tracking.opening import tracking_errors
from cnnexp.tracking.store import Store

Fit = Literal["stretch", "crop", "pad"]

_EXAMPLE = "serving_input_example.json"  # MLflow writes it beside every model: a whole request
_END_SECONDS = 10
_CURL = "curl -s {url} -H 'Content-Type: application/json' -d @{request}"
_FITS: dict[Fit, str] = {
    "stretch": "Image.Image.resize(photo",
    "crop": "ImageOps.fit(photo",
    "pad": "ImageOps.pad(photo",
}
_PYTHON = """\
import numpy, requests
from PIL import Image, ImageOps
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("{mode}")
photo = {fit}, ({width}, {height}), Image.Resampling.BILINEAR)
pixels = numpy.asarray(photo).reshape(1, {height}, {width}, {channels}).transpose(0, 3, 1, 2)
print(requests.post("{url}", json={{"inputs": pixels.tolist()}}).json()["predictions"])"""


def server_command(model_uri: str, host: str, port: int) -> list[str]:
    """Returns the command that serves a model with the Python that runs now; no environment is built."""
    address = ["--host", host, "--port", str(port), "--workers", "1"]
    return [
        *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model_uri),
        *("--env-manager", "local"),
        *address,
    ]


def server_environment(store_uri: str) -> dict[str, str]:
    """Returns the environment for `server_command`: ours, and where the model is.

    MLflow starts `uvicorn` by its bare name: this Python's own folder comes first, for a virtual environment
    need not be activated.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    wanted = {"MLFLOW_DISABLE_TELEMETRY": "true", "UVICORN_LOG_LEVEL": "warning"}  # not every request
    return {**wanted, **os.environ, "PATH": path, "MLFLOW_TRACKING_URI": store_uri}


def example_request(store: Store, model_uri: str, folder: Path) -> Path:
    """Brings the request that a model was logged with (two images of its run) to a folder.

    Raises:
        TrackingError: it cannot be read.
    """
    with tracking_errors(f"the example of model {model_uri} cannot be read"):
        from mlflow.artifacts import download_artifacts

        where = store.client.get_logged_model(model_uri.removeprefix("models:/")).artifact_location
        found = download_artifacts(f"{where}/{_EXAMPLE}", dst_path=str(folder), tracking_uri=store.uri)
    return Path(found)


def requests_to_try(url: str, request: Path, image: Sequence[int], fit: Fit) -> tuple[str, str]:
    """Returns a line for the shell that works as it is, and some of Python for a photo.

    Args:
        url: of the server's `/invocations`.
        request: a file that holds a request.
        image: channels, height, width.
        fit: how a photo is brought to that size.
    """
    channels, height, width = image
    mode = "L" if channels == 1 else "RGB"
    shape = {"channels": channels, "height": height, "width": width}
    python = _PYTHON.format(url=url, mode=mode, fit=_FITS[fit], **shape)
    return _CURL.format(url=url, request=request), python


def end_server(server: Popen[bytes]) -> None:
    """Ends a server and the processes that it has started, and waits until they are gone."""
    import psutil

    try:
        inner = psutil.Process(server.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        inner = []
    server.terminate()
    for process in inner:
        if process.is_running():
            process.terminate()
    for process in psutil.wait_procs(inner, timeout=_END_SECONDS)[1]:
        process.kill()
    server.wait()
