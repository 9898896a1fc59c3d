"""What cannot be built is refused before training, in one sentence with the way out."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

from cnnexp.errors import ModelError, SettingsError, UnknownNameError, UserError
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model, outline_model, register_model
from cnnexp.models.stack import ImageTooSmallError
from cnnexp.models.windows import refusing_small_images

GREY = ImageSpec(1, 28, 28, 10)
PHOTO = ImageSpec(3, 64, 64, 3)


def refusal(name: str, spec: ImageSpec, arguments: dict[str, Any] | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        build_model(name, spec, arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "side", "layer", "needs", "gets", "way_out"),
    [
        ("lenet", 8, "conv2", 5, 2, 16),
        ("lenet", 15, "pool2", 2, 1, 16),
        ("vgg11", 28, "block5.pool", 2, 1, 32),  # W13: 28 pixels through five poolings
        ("three-block", 7, "block3.pool", 2, 1, 8),
        ("alexnet", 8, "conv1", 9, 8, 65),  # of 11 pixels the padding gives 2
        ("alexnet-tv", 28, "features.5", 3, 2, 63),
        ("densenet121", 28, "features.transition3.pool", 2, 1, 29),
    ],
)
def test_images_too_small_name_the_layer_the_sizes_and_the_size_that_fits(
    name: str, side: int, layer: str, needs: int, gets: int, way_out: int
) -> None:
    assert refusal(name, ImageSpec(1, side, side, 10)) == (
        f"{name} cannot take {side}×{side} images: layer {layer} needs at least {needs}×{needs} pixels and "
        f"gets {gets}×{gets}; use --image-size {way_out} or more."
    )


def test_a_deep_net_of_large_kernels_names_the_layer_that_gets_nothing() -> None:  # W5
    sentence = refusal("convnet", ImageSpec(3, 20, 20, 3), {"widths": [4, 4, 4, 4], "kernel_size": 7})
    assert re.search(r"layer conv4 .* use --image-size 25 or more\.$", sentence)


def test_what_no_image_is_large_enough_for_says_so() -> None:
    sentence = refusal("convnet", GREY, {"widths": [1] * 11, "kernel_size": 1, "pool": True})
    assert sentence.endswith("no image up to 512×512 is large enough: use fewer layers or smaller kernels.")


def test_a_block_is_convolutions_and_width_not_the_other_way_round() -> None:  # W15
    with pytest.raises(SettingsError) as caught:
        build_model("vgg", GREY, {"blocks": [[1, 16], [32, 2]]})
    assert str(caught.value) == (
        "blocks = [[1, 16], [32, 2]] (argument of model vgg): holds (32, 2), a block of 32 convolutions of "
        "width 2: a pair is (convolutions, width); write (2, 32) for 2 of width 32."
    )


@pytest.mark.parametrize("blocks", [[], [[1, 16, 3]], [[0, 16]], "deep", [3]])
def test_blocks_that_are_no_pairs_are_refused(blocks: object) -> None:
    with pytest.raises(SettingsError, match=r"^blocks = .* \(argument of model vgg\): "):
        build_model("vgg", GREY, {"blocks": blocks})


def test_an_unknown_model_gets_the_nearest_name_and_the_list() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'lenet'.*cnn, convnet, .*lenet, .*vgg19, "):
        build_model("lennet", GREY)
    with pytest.raises(UnknownNameError, match=r"did you mean 'inception-v1'\?"):
        build_model("inception-v2", GREY)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"kernel_siz": 3}, "did you mean 'kernel_size'"),
        ({"kernel_size": 0}, "must be at least 1"),
        ({"kernel_size": "three"}, "must be a whole number"),
        ({"widths": []}, "at least 1 item"),
        ({"pool": "perhaps"}, "must be true or false"),
    ],
)
def test_model_arguments_are_checked_by_their_builders_types(
    arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        build_model("convnet", PHOTO, arguments)


def test_arguments_are_used_in_the_types_their_builder_declares() -> None:
    model = build_model("convnet", PHOTO, {"kernel_size": "5", "widths": ["4", 8]})
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [4, 8]
    assert convolutions[0].kernel_size == (5, 5)


@pytest.mark.parametrize("taken", ["lenet", "lenet5"])
def test_a_taken_name_is_refused_also_where_it_is_an_alias(taken: str) -> None:
    assert taken in MODELS
    with pytest.raises(UserError, match=f"'{taken}' is already registered"):
        register_model(taken)(lambda spec: nn.Identity())  # noqa: ARG005 - never called


def test_an_alias_builds_the_model_and_the_model_keeps_its_name() -> None:
    assert MODELS.get("lenet-5") is MODELS.get("lenet")
    assert MODELS.get("resnet-18").name == "resnet18"
    assert refusal("lenet5", ImageSpec(1, 8, 8, 10)).startswith("lenet cannot take")


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 1, 5, padding=1),
        nn.Conv2d(1, 1, (3, 2), dilation=2),
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.Conv2d(1, 1, 4, padding="valid"),
        nn.MaxPool2d(3, stride=2),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.MaxPool2d(2, stride=2, ceil_mode=True),
        nn.AvgPool2d(3, padding=1),
    ],
    ids=str,
)
def test_a_layer_is_refused_where_torch_fails_and_nowhere_else(layer: nn.Module) -> None:
    for side in range(1, 8):
        images = torch.rand(1, 1, side, side)
        try:
            layer(images)
        except RuntimeError:
            with refusing_small_images(nn.Sequential(layer)), pytest.raises(ImageTooSmallError):
                layer(images)
        else:
            with refusing_small_images(nn.Sequential(layer)):
                layer(images)


def test_an_outline_holds_no_values_and_draws_nothing() -> None:
    before = torch.random.get_rng_state()
    assert {weight.device.type for weight in outline_model("vgg19", PHOTO).parameters()} == {"meta"}
    assert torch.equal(torch.random.get_rng_state(), before)
