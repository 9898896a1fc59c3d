"""Rules that every registered model keeps: one that is added is tested by being there."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnexp.errors import ModelError
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model, check_batch_size, initialize, outline_model

# Of digits, MNIST and Fashion-MNIST, CIFAR-10, the photos of S0, and S3's large images.
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 96, 96)]
# Arguments that make a network cheap or easy to train, where it has them.
HANDY = {"width_divisor": 16, "hidden": 32, "dropout": 0.0, "batch_norm": True, "activation": "relu"}
LARGE = 30_000_000  # parameters: Adam's step costs them more than all the rest
every_model = pytest.mark.parametrize("name", MODELS.names())


def handy_arguments(name: str) -> dict[str, object]:
    return {
        one.name: HANDY[one.name]
        for one in MODELS.get(name).arguments()
        if one.name in HANDY and type(one.default) is type(HANDY[one.name])
    }


@cache
def smallest_spec(name: str, *, classes: int = 4) -> ImageSpec:
    """The first of the shapes that the model takes."""
    for shape in SHAPES:
        try:
            outline_model(name, ImageSpec(*shape, classes), handy_arguments(name))
        except ModelError:
            continue
        return ImageSpec(*shape, classes)
    raise AssertionError(f"{name} takes none of {SHAPES}")


def small(name: str) -> tuple[nn.Module, Tensor]:
    """The model for the smallest images it takes, and two of them."""
    torch.manual_seed(0)
    spec = smallest_spec(name)
    return build_model(name, spec, handy_arguments(name)), torch.rand(2, *spec.shape)


@every_model
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_takes_images_of_every_data_set_or_names_the_size_it_needs(
    name: str, shape: tuple[int, int, int]
) -> None:  # W5, W12, W13, W14: `outline_model` runs it, and holds its logits to (2, classes)
    classes = sum(shape)
    try:
        outline_model(name, ImageSpec(*shape, classes))
    except ModelError as error:
        sentence = str(error)
        assert f"{name} cannot take {shape[1]}×{shape[2]} images: layer " in sentence
        needed = int(sentence.partition("--image-size ")[2].removesuffix(" or more."))
        outline_model(name, ImageSpec(shape[0], needed, needed, classes))
        with pytest.raises(ModelError):
            outline_model(name, ImageSpec(shape[0], needed - 1, needed - 1, classes))


@every_model
def test_every_parameter_learns(name: str) -> None:
    model, images = small(name)
    F.cross_entropy(model.train()(images), torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    assert not [key for key, weight in model.named_parameters() if weight.grad is None]


@every_model
def test_one_image_keeps_its_batch_axis_in_both_modes(name: str) -> None:  # W3
    model, images = small(name)
    spec = smallest_spec(name)
    assert model.eval()(images[:1]).shape == (1, spec.num_classes)
    torch.testing.assert_close(model(images)[:1], model(images[:1]), rtol=1e-4, atol=1e-5)
    try:
        check_batch_size(model, spec, 1)
    except ModelError:  # said before training: batch norm gets one value per channel
        assert model.train()(images).shape == (2, spec.num_classes)
    else:
        assert model.train()(images[:1]).shape == (1, spec.num_classes)


@every_model
def test_it_can_learn_eight_images_by_heart(name: str) -> None:
    torch.manual_seed(0)
    spec = smallest_spec(name)
    images, labels = torch.randn(8, *spec.shape), torch.arange(8) % 4
    model = build_model(name, spec, handy_arguments(name)).train()
    initialize(model, "kaiming")
    weights = list(model.parameters())
    is_large = sum(weight.numel() for weight in weights) > LARGE
    optimizer = torch.optim.SGD(weights, lr=0.01) if is_large else torch.optim.Adam(weights, lr=0.002)
    first = None
    for _ in range(300):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        first = loss.item() if first is None else first
        if loss.item() < (0.8 * first if is_large else 0.3):  # of a large one the way there is enough
            return
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    raise AssertionError(f"its loss is still {loss.item():.3f}")


@every_model
def test_its_state_dict_makes_another_one_equal(name: str) -> None:
    model, images = small(name)
    other = build_model(name, smallest_spec(name), handy_arguments(name))
    other.load_state_dict(model.state_dict())
    with torch.inference_mode():
        assert torch.equal(other.eval()(images), model.eval()(images))
