"""`cnnexp serve`: what the server answers, that nothing of it stays, and what is refused before it starts."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
import torch
from click.testing import CliRunner
from PIL import Image

import cnnexp
from cnnexp.cli import cli, serve
from cnnexp.data.photo import read_photo
from cnnexp.errors import UserError
from cnnexp.tracking import model_server
from cnnexp.tracking.store import open_store
from tests.e2e.use.conftest import Vehicles
from tests.warm import Command


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
        return free


def refused(vehicles: Vehicles, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["serve", "--tracking-uri", vehicles.store, *arguments])
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def test_the_server_answers_as_the_run_and_leaves_nothing(vehicles: Vehicles, port: int) -> None:
    Image.open(vehicles.photos[0]).save("photo.jpg", "PNG")  # a JPEG is decoded at half its size by training
    words = ["serve", "vehicles", "--tracking-uri", vehicles.store, "--port", str(port)]
    process = Command(words, Path.cwd(), dict(os.environ))
    said: list[str] = []
    for line in process.lines():
        said.append(line)
        if line == "Ctrl-C ends it.":
            break
    inner = psutil.Process(process.pid).children(recursive=True)
    assert inner, said
    classifier = cnnexp.load("vehicles", vehicles.store)
    (curl,) = [shlex.split(line) for line in said if line.startswith("curl ")]
    url, request = curl[2], Path(curl[-1].removeprefix("@"))
    assert url == f"http://127.0.0.1:{port}/invocations"

    headers = {"Content-Type": "application/json"}
    answer = requests.post(url, data=request.read_bytes(), headers=headers, timeout=60).json()
    images = torch.tensor(json.loads(request.read_text())["inputs"], dtype=torch.uint8)
    expected = classifier.predict(images).probabilities
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-5)

    photos = vehicles.photos[::20]
    pixels = np.stack([read_photo(photo, classifier.frame) for photo in photos]).transpose(0, 3, 1, 2)
    answer = requests.post(url, json={"inputs": pixels.tolist()}, timeout=60).json()
    expected = classifier.predict(photos).probabilities
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-5)

    python = "\n".join(said).split("from Python:\n\n")[1].split("\n\nCtrl-C")[0]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(python, {})
    expected = classifier.predict("photo.jpg").probabilities
    np.testing.assert_allclose(json.loads(printed.getvalue()), expected, atol=1e-5)

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert not [one for one in inner if one.is_running()]
    assert not request.exists()


def test_what_cannot_be_served_is_one_sentence(vehicles: Vehicles, port: int) -> None:
    assert "no run 'nobody'" in refused(vehicles, "nobody")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert re.fullmatch(
            rf"port {port} is in use; leave --port out, or use --port \d+\.",
            refused(vehicles, "last", "--port", str(port)),
        )


def test_a_server_that_ends_by_itself_is_said(
    vehicles: Vehicles, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "end_like_ctrl_c", lambda: None)  # they would stay for the next test
    monkeypatch.setattr(model_server, "server_command", lambda *_: [sys.executable, "-c", "exit(3)"])
    assert f"did not answer on http://127.0.0.1:{port}; its own" in refused(
        vehicles, "last", "--port", str(port)
    )


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_python_to_try_brings_a_photo_to_the_frame(
    shared_data: Path, fit: model_server.Fit, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnexp.data.reading import Frame

    shutil.copy(shared_data / "odd_files" / "real_exif_rotated.jpeg", "photo.jpg")
    sent: list[object] = []

    class Answer:
        def json(self) -> dict[str, str]:
            return {"predictions": "none"}

    def post(_: str, json: dict[str, object]) -> Answer:
        sent.append(json["inputs"])
        return Answer()

    monkeypatch.setattr(requests, "post", post)
    _, python = model_server.requests_to_try("http://x", Path("r.json"), (channels, 200, 300), fit)
    exec(python, {})
    expected = read_photo(Path("photo.jpg"), Frame(200, 300, channels, fit)).transpose(2, 0, 1)[None]
    difference = np.abs(np.array(sent[0], np.int16) - expected.astype(np.int16))
    assert difference.mean() < 2  # a large JPEG is decoded at half its size by training


def test_a_run_without_a_logged_model_is_told_what_to_do(ready_store: str) -> None:
    store = open_store(ready_store)
    run = store.create_run(store.experiment_id("cnnexp"), run_name="bare")
    for command in (["serve", "bare"], ["register", "bare", "name"]):
        result = CliRunner().invoke(cli, command)
        assert str(result.exception) == (
            f"run bare ({run.id}) has no logged model. Train it anew with --log-model true, or use its "
            "weights with `cnnexp predict` and `cnnexp export`."
        )
