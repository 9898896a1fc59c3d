from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from cnnexp.convolution import ALGORITHMS
from cnnexp.errors import ConvolutionError
from cnnexp.experiment.convolutions import TORCH, calls_of, choices_of, with_algorithm
from cnnexp.image_spec import ImageSpec
from cnnexp.models import build_model, layer_table
from cnnexp.settings import NetworkSettings
from tests.unit.tracking.test_registered_models_logged import MODELS_TO_LOG

PHOTO = ImageSpec(3, 16, 16, 3)


class Drifting(nn.Module):
    """Puts another tensor in its buffer's place, as a user's layer may."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.mean = 0.9 * self.mean + images.mean()
        made: torch.Tensor = self.conv(images)
        return made - self.mean


def convnet() -> nn.Module:
    torch.manual_seed(0)
    return build_model("convnet", PHOTO, {"widths": [4, 6]})


def test_the_setting_knows_every_algorithm() -> None:
    literal = get_args(NetworkSettings.model_fields["conv"].annotation)
    assert literal == (TORCH, *ALGORITHMS)


def test_torch_is_the_network_itself() -> None:
    network = convnet()
    assert with_algorithm(network, "torch") is network


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_logits_are_the_same_to_rounding(algorithm: str) -> None:
    network = convnet().eval()
    images = torch.randn(4, *PHOTO.shape)
    with torch.no_grad():
        expected, found = network(images), with_algorithm(network, algorithm).eval()(images)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", MODELS_TO_LOG)
def test_any_registered_model_gives_the_same_logits_by_hand(name: str) -> None:
    arguments, side = MODELS_TO_LOG[name]
    spec = ImageSpec(3, side, side, 4)
    torch.manual_seed(0)
    network = build_model(name, spec, arguments).eval()
    images = torch.randn(2, *spec.shape)
    with torch.inference_mode():
        expected = network(images)
        found = with_algorithm(network, "auto").eval()(images)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_both_forms_share_weights_buffers_and_names() -> None:
    network = convnet()
    twin = with_algorithm(network, "im2col")
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    twin.train()(torch.randn(4, *PHOTO.shape)).sum().backward()
    optimizer.step()
    states = network.state_dict(), twin.state_dict()
    assert list(states[0]) == list(states[1])
    assert all(a.data_ptr() == b.data_ptr() for a, b in zip(*map(dict.values, states), strict=True))


def test_a_buffer_that_is_put_in_anothers_place_is_shared_too() -> None:
    network = Drifting()
    with_algorithm(network, "im2col")(torch.ones(1, 3, 5, 5))
    assert network.mean.item() == 1


def test_the_layer_table_of_the_first_form_stays_right() -> None:
    network = convnet()
    before = layer_table(network, PHOTO)
    with_algorithm(network, "im2col")
    assert layer_table(network, PHOTO) == before


def test_what_an_algorithm_cannot_compute_is_refused_by_the_layers_name() -> None:
    network = build_model("convnet", PHOTO, {"widths": [4, 6], "kernel_size": 5})
    with pytest.raises(ConvolutionError, match=r"layer conv1.*winograd.*3×3.*5×5"):
        with_algorithm(network, "winograd")
    assert type(network.get_submodule("conv1")) is nn.Conv2d


def test_every_convolution_of_a_batch_is_known_with_what_it_gets() -> None:
    calls = calls_of(convnet(), (2, *PHOTO.shape))
    assert [(call.name, call.images) for call in calls] == [
        ("conv1", (2, 3, 16, 16)),
        ("conv2", (2, 4, 14, 14)),
    ]


def test_auto_says_what_it_takes_for_each_layer_and_why() -> None:
    lines = choices_of(convnet(), (2, *PHOTO.shape)).splitlines()
    assert [line.split(", for ")[0] for line in lines] == ["conv1: im2col", "conv2: im2col"]
    assert all(len(line.split(", for ")[1]) > 10 for line in lines)
