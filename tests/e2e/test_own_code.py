"""A user's own models and data, through the whole run."""

from __future__ import annotations

from collections.abc import Iterator
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


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    yield path
    from cnnexp.data.registry import DATASETS
    from cnnexp.models import MODELS

    for registry, name in ((MODELS, "mine"), (DATASETS, "stripes")):
        if name in registry:
            registry.remove(name)


def test_own_models_and_data_need_no_change_to_the_package(plugin: Path, client: MlflowClient) -> None:
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
