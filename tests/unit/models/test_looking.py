"""First filters, feature maps and Grad-CAM of a network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnexp.errors import ModelError
from cnnexp.image_spec import ImageSpec
from cnnexp.models import build_model
from cnnexp.models.looking import convolutions, feature_maps, first_filters, grad_cam

SPEC = ImageSpec(1, 28, 28, 10)
IMAGES = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))


class Corner(nn.Module):
    """Class 1 is how bright the image's upper left is; class 0 the negative of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        self.act = nn.ReLU(inplace=True)
        nn.init.ones_(self.conv.weight)

    def forward(self, images: Tensor) -> Tensor:
        total = self.act(self.conv(images)).sum(dim=(1, 2, 3))
        return torch.stack([-total, total], dim=1)


def test_grad_cam_of_a_network_known_by_heart() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, :4, :4] = torch.linspace(0.5, 1, 16).view(4, 4)
    found = grad_cam(Corner().eval(), image)
    assert found.classes.tolist() == [1]
    # one map with weight 1: its own picture, on a scale of its own
    assert np.allclose(found.maps[0], image[0, 0].numpy())
    assert found.map_size == (8, 8)
    against = grad_cam(Corner().eval(), image, torch.tensor([0]))
    assert not against.maps.any()


def test_grad_cam_is_the_papers_formula() -> None:
    model = build_model("lenet", SPEC).eval()
    kept: list[Tensor] = []
    hook = model.get_submodule("conv2").register_forward_hook(lambda _l, _i, output: kept.append(output))
    logits = model(IMAGES.clone().requires_grad_())
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[:, 4].sum(), kept[0])
    heat = (gradient.mean(dim=(2, 3), keepdim=True) * kept[0]).sum(dim=1).relu()
    found = grad_cam(model, IMAGES, torch.tensor([4, 4, 4]), layer="conv2")
    wide = nn.functional.interpolate(heat[:, None], size=(28, 28), mode="bilinear")[:, 0].detach()
    largest = wide.amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    assert torch.allclose(torch.from_numpy(found.maps), wide / largest, atol=1e-5)


def test_an_image_has_the_same_heat_alone_and_among_others() -> None:
    model = build_model("convnet", SPEC, {"widths": [4, 4]}).eval()
    together, alone = grad_cam(model, IMAGES), grad_cam(model, IMAGES[1:2])
    assert np.allclose(together.maps[1], alone.maps[0], atol=1e-5)


def test_looking_leaves_the_network_as_it_was() -> None:
    model = build_model("convnet", SPEC, {"widths": [4]}).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # frozen weights too
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = grad_cam(model, IMAGES)
    feature_maps(model, IMAGES, convolutions(model))
    assert found.maps.shape == (3, 28, 28)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(layer._forward_hooks for layer in model.modules())


def test_feature_maps_are_what_the_layer_gives_out_before_a_relu_in_place() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True))
    maps = feature_maps(model.eval(), IMAGES, ["0"])["0"]
    assert np.allclose(maps, model[0](IMAGES).detach().numpy())
    assert maps.min() < 0


def test_first_filters_of_a_convolution_and_of_pixels() -> None:
    lenet, mlp = (
        first_filters(build_model("lenet", SPEC), SPEC.shape),
        first_filters(build_model("mlp", SPEC), SPEC.shape),
    )
    assert lenet is not None
    assert (lenet.layer, lenet.weights.shape) == ("conv1", (6, 1, 5, 5))
    assert mlp is not None
    assert (mlp.layer, mlp.weights.shape) == ("fc1", (8, 1, 28, 28))
    assert (
        first_filters(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)), SPEC.shape)
        is None
    )


@pytest.mark.parametrize(
    ("name", "layer", "sentence"),
    [
        ("mlp", None, "has no convolution"),
        ("lenet", "convo2", "no layer 'convo2'; did you mean 'conv2'"),
        ("lenet", "fc1", r"layer fc1 gives out no maps"),
    ],
)
def test_what_gives_no_maps_is_refused(name: str, layer: str | None, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        grad_cam(build_model(name, SPEC).eval(), IMAGES, layer=layer)
