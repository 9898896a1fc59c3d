from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model, count_parameters, outline_model
from cnnexp.models.freezing import freeze_all_but_head, head_of, set_training

CIFAR = ImageSpec(3, 32, 32, 10)
LARGE = ImageSpec(3, 96, 96, 7)


@pytest.mark.parametrize("name", MODELS.names())
def test_the_head_of_every_model_gives_the_classes(name: str) -> None:
    model = outline_model(name, LARGE)
    path, head = head_of(model)
    assert isinstance(head, nn.Linear)
    assert head.out_features == LARGE.num_classes
    assert freeze_all_but_head(model) == path
    assert count_parameters(model) == (head.in_features + 1) * LARGE.num_classes


def test_the_head_of_a_model_without_linear_layers_is_its_last_layer_with_weights() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1))
    assert head_of(model)[0] == "2"


def test_what_is_frozen_does_not_change_while_the_head_learns() -> None:
    torch.manual_seed(0)
    model = build_model("three-block", CIFAR, {"widths": [4, 8]})
    freeze_all_but_head(model)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    set_training(model)
    F.cross_entropy(model(torch.rand(4, *CIFAR.shape)), torch.arange(4)).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"fc3.weight", "fc3.bias"}  # no statistics of batch norm either
    assert model.get_submodule("dropout1").training  # it has no weights, and belongs to the training


def test_without_frozen_weights_every_layer_trains() -> None:
    model = build_model("three-block", CIFAR, {"widths": [4, 8]}).eval()
    set_training(model)
    assert all(layer.training for layer in model.modules())
