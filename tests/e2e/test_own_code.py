"""A user's own models and data, through the whole run."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

import cnnexp
from tests.e2e.runs import QUICK

pytestmark = pytest.mark.usefixtures("ready_store")


PLUGIN = '''
import cnnexp
import numpy as np
from torch import nn

@cnnexp.register_model("mine")
def mine(spec: cnnexp.ImageSpec, *, width: int = 4) -> nn.Module:
    """A model of my own."""
    pixels = spec.channels * spec.height * spec.width
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.Linear(width, spec.num_classes))

@cnnexp.register_dataset("stripes")
def stripes(data_dir):
    labels = np.arange(80) % 2
    images = np.zeros((80, 10, 10), dtype=np.uint8)
    images[labels == 0, ::2] = 200
    images[labels == 1, :, ::2] = 200
    images += np.random.default_rng(0).integers(0, 50, images.shape, dtype=np.uint8)
    return cnnexp.ImageArrays(images, labels, ("rows", "columns"))
'''


def test_own_models_and_data_need_no_change_to_the_package(tmp_path: Path, client: MlflowClient) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    result = cnnexp.train(
        **{**QUICK, "fraction": 1.0},
        plugin=("mine.py",),
        model="mine",
        dataset="stripes",
        model_args={"width": 8},
    )
    assert result.class_names == ("rows", "columns")
    assert result.metrics["test/accuracy"] > 0.8
    assert client.get_run(result.run_id).data.params["model.width"] == "8"
    assert result.settings.plugins.plugin == (str(plugin),)
