"""Every registered network, logged to MLflow and loaded back, gives the same answers."""

from __future__ import annotations

import mlflow
import numpy as np
import pytest
import torch
from torch import nn

from cnnexp.data.normalize import Normalize
from cnnexp.data.permute import PermutePixels
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model
from cnnexp.tracking.store import Store

VGG: dict[str, object] = {"width_divisor": 16, "hidden": 16}  # and batch norm where a name says nothing else
# Name -> arguments that make it cheap, and a side that it can take.
MODELS_TO_LOG: dict[str, tuple[dict[str, object], int]] = {
    "alexnet": ({}, 80),
    "alexnet-tv": ({}, 64),
    "cifar-tutorial": ({}, 32),
    "cnn": ({}, 28),
    "convnet": ({}, 28),
    "densenet121": ({}, 32),
    "googlenet": ({}, 32),
    "lenet": ({}, 28),
    "lenet-reader": ({}, 28),
    "mlp": ({}, 28),
    "resnet-cifar": ({}, 32),
    "resnet18": ({}, 32),
    "resnet34": ({}, 32),
    "resnet50": ({}, 32),
    "three-block": ({}, 32),
    "vgg": (VGG | {"blocks": [[1, 16], [2, 32]]}, 32),
    "vgg11": (VGG | {"batch_norm": True}, 32),
    "vgg13": (VGG, 32),
    "vgg16": (VGG, 32),
    "vgg19": (VGG, 32),
    "vgg16-cifar": ({}, 32),
    "vgg8-cifar": ({}, 32),
}


def test_every_registered_model_is_logged_here() -> None:
    assert set(MODELS_TO_LOG) == set(MODELS.names())


@pytest.mark.parametrize("name", MODELS_TO_LOG)
def test_a_logged_network_answers_as_ours_for_any_number_of_images(
    name: str, store: Store, experiment: str, problems: list[str]
) -> None:
    arguments, side = MODELS_TO_LOG[name]
    spec = ImageSpec(3, side, side, 4)
    torch.manual_seed(0)
    preprocessing = nn.Sequential(PermutePixels((side, side), seed=0), Normalize([0.5] * 3, [0.25] * 3))
    module = nn.Sequential(preprocessing, build_model(name, spec, arguments), nn.Softmax(dim=1)).eval()
    images = np.random.default_rng(0).integers(0, 256, (3, *spec.shape), dtype=np.uint8)
    run = store.create_run(experiment, on_problem=problems.append)
    uri = run.log_model(
        module, name="model", example=images[:2], class_names=list("abcd"), params={}, metrics={}, step=1
    )
    assert uri is not None, problems
    mlflow.set_tracking_uri(store.uri)
    loaded = mlflow.pytorch.load_model(uri)
    with torch.inference_mode():
        for count in (1, 3):
            some = torch.from_numpy(images[:count])
            torch.testing.assert_close(loaded(some), module(some), rtol=1e-4, atol=1e-5)
