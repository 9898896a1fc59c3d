"""Looking into a trained network: `cnnexp look`, and the figures that a run draws itself."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from mlflow import MlflowClient
from PIL import Image

import cnnexp
from cnnexp.cli import cli
from cnnexp.errors import UserError
from cnnexp.experiment import Listener, look
from tests.e2e.runs import QUICK, artifacts

pytestmark = pytest.mark.usefixtures("ready_store")


class Notes(Listener):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, sentence: str) -> None:
        self.said.append(sentence)


def looked(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["look", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_a_run_is_looked_at_as_it_was_trained(client: MlflowClient) -> None:
    result = cnnexp.train(**{**QUICK, "figures": "all", "run_name": "digits run"})
    plots = {file.name for file in (artifacts(client.get_run(result.run_id)) / "plots").iterdir()}
    assert {"filters.png", "grad_cam.png", "learning_curves.png"} <= plots
    Image.fromarray(np.full((40, 30, 3), 200, np.uint8)).save("a photo.png")
    said = looked("last", "test:3", "a photo.png", "--class", "7")
    names = {"filters.png", "grad_cam.png", "maps_1_test-3.png", "maps_2_a-photo.png"}
    assert {file.name for file in Path("look-digits-run").iterdir()} == names
    assert said.count("Drawn: look-digits-run") == 4

    trained = look.open_trained(result.run_id[:8], tracking_uri=None, data_dir=None, listener=Listener())
    images = trained.assembly.dataset.test.read(torch.arange(5))
    assert result.model is not None
    with torch.no_grad():
        found = trained.assembly.network(trained.assembly.normalize(images)).softmax(dim=1)
        assert torch.allclose(found, result.model(images), atol=1e-5)

    for arguments, sentence in (
        (["last", "test:9999"], "the test part has images 0 to"),
        (["last", "none.png"], "'none.png' cannot be read: does not exist"),
        (["last", "test:0", "--class", "seven"], "unknown class 'seven'"),
        (["last", "test:0", "--layer", "conv9"], "no layer 'conv9'; did you mean"),
        (["nobody", "test:0"], "no run 'nobody'"),
        (["last", "test:0", "-o", "a photo.png"], "cannot be made a folder"),
    ):
        refused = CliRunner().invoke(cli, ["look", *arguments])
        assert isinstance(refused.exception, UserError)
        assert re.search(sentence, str(refused.exception))
    (artifacts(client.get_run(result.run_id)) / "checkpoints" / "best.safetensors").unlink()
    refused = CliRunner().invoke(cli, ["look", "last", "test:0"])
    assert isinstance(refused.exception, UserError)
    assert "has no model" in str(refused.exception)


def test_a_network_without_convolutions_has_filters_and_a_sentence(client: MlflowClient) -> None:
    heard = Notes()
    result = cnnexp.train(**{**QUICK, "figures": "all"}, model="mlp", permute_pixels=True, listener=heard)
    assert look.NO_MAPS in heard.said
    plots = {file.name for file in (artifacts(client.get_run(result.run_id)) / "plots").iterdir()}
    assert "filters.png" in plots
    assert "grad_cam.png" not in plots
    said = looked("last", "test:0", "-o", "out")
    assert look.NO_MAPS in said
    assert [file.name for file in Path("out").iterdir()] == ["filters.png"]


def test_the_standard_figures_are_without_looks(client: MlflowClient) -> None:
    result = cnnexp.train(**{**QUICK, "epochs": 1, "figures": "standard"})
    plots = {file.name for file in (artifacts(client.get_run(result.run_id)) / "plots").iterdir()}
    assert "confusion_matrix.png" in plots
    assert "grad_cam.png" not in plots
