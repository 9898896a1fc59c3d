from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnexp.image_spec import ImageSpec
from cnnexp.models import build_model, initialize
from cnnexp.models.initialization import DRAWN

GREY = ImageSpec(1, 28, 28, 10)

LAYERS: list[nn.Module] = [
    nn.Conv1d(8, 32, 5),
    nn.Conv2d(8, 32, 5),
    nn.Conv3d(8, 32, 3),
    nn.ConvTranspose1d(8, 32, 5),
    nn.ConvTranspose2d(8, 32, 5),
    nn.ConvTranspose3d(8, 32, 3),
    nn.Linear(64, 128),
    nn.Bilinear(16, 16, 32),
]


def test_every_kind_of_layer_that_is_drawn_is_tried_here() -> None:
    assert {type(layer) for layer in LAYERS} == set(DRAWN)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_is_drawn_by_the_rule_and_its_bias_is_zero(layer: nn.Module) -> None:
    torch.manual_seed(0)
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
    assert initialize(nn.Sequential(layer), "xavier") == ()
    bound = (6 / (fan_in + fan_out)) ** 0.5
    assert 0.95 * bound < weight.abs().max() <= bound
    assert not bias.any()
    nn.init.ones_(bias)
    initialize(layer, "kaiming")
    outputs_of_an_input = 32 * weight[0, 0].numel() if "Transpose" in type(layer).__name__ else fan_out
    assert weight.std().item() == pytest.approx((2 / outputs_of_an_input) ** 0.5, rel=0.06)
    assert not bias.any()


def test_the_default_leaves_pytorchs_own_draw() -> None:
    model = build_model("lenet", GREY)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert initialize(model, "default") == ()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_norm_layers_stay_neutral_whatever_is_asked_for() -> None:
    norms = nn.Sequential(
        nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm((4, 6, 6)), nn.RMSNorm((4, 6, 6)), nn.PReLU()
    )
    before = {key: value.clone() for key, value in norms.state_dict().items()}
    assert initialize(norms, "kaiming") == ()
    assert all(torch.equal(value, before[key]) for key, value in norms.state_dict().items())


class Unfolded(nn.Conv2d):
    """A convolution written by hand, as a product of matrices."""

    def forward(self, images: Tensor) -> Tensor:
        side = images.shape[-1] - self.kernel_size[0] + 1
        columns = F.unfold(images, self.kernel_size[0])
        product = self.weight.flatten(1) @ columns
        if self.bias is not None:
            product += self.bias.view(-1, 1)
        return product.view(len(images), -1, side, side)


class NormalDraw(nn.Module):
    """A convolution written by hand whose weights start from N(0, 1), as in S0."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(4, 1, 3, 3))

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.kernel)


@pytest.mark.parametrize("how", ["default", "xavier", "kaiming"])
def test_w4_a_convolution_by_hand_starts_from_the_weights_of_torchs_own(how: str) -> None:
    models = []
    for layer in (nn.Conv2d, Unfolded):
        torch.manual_seed(3)
        models.append(nn.Sequential(layer(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)))
        initialize(models[-1], how)  # type: ignore[arg-type]  # one of the three words
    one, other = (model.state_dict() for model in models)
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    images = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(models[0](images), models[1](images))


def test_w4_a_layer_that_keeps_another_draw_is_said() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Sequential(NormalDraw()))
    assert initialize(model, "xavier") == ("1.0.kernel",)
