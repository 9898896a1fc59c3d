from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnexp.errors import ModelError, SettingsError, UnknownNameError, UserError
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model, initialize, layer_table, register_model

GREY = ImageSpec(1, 28, 28, 10)
PHOTO = ImageSpec(3, 64, 64, 3)
every_model = pytest.mark.parametrize("name", ["convnet", "lenet", "mlp"])


def test_the_list_of_models_here_is_the_registry() -> None:
    assert MODELS.names() == ("convnet", "lenet", "mlp")


@pytest.mark.parametrize(
    ("name", "spec", "arguments", "parameters", "macs"),
    [
        ("lenet", GREY, {}, 44_426, 281_640),
        (
            "lenet",
            GREY,
            {"padding": 2, "activation": "relu", "pooling": "average", "dropout": 0.5},
            61_706,
            416_520,
        ),
        ("mlp", GREY, {}, 6_442, 6_416),
        ("convnet", PHOTO, {}, 1_059, 3_321_312),
        ("convnet", PHOTO, {"widths": [32, 64]}, 19_779, 69_676_608),
        ("convnet", PHOTO, {"widths": [32, 64, 128]}, 94_083, 317_697_792),
        ("convnet", PHOTO, {"kernel_size": 5}, 2_595, 8_640_096),
        ("convnet", PHOTO, {"kernel_size": 7}, 4_899, 15_824_352),
    ],
)
def test_counts_are_the_published_ones(
    name: str, spec: ImageSpec, arguments: dict[str, object], parameters: int, macs: int
) -> None:
    table = layer_table(build_model(name, spec, arguments), spec)
    assert (table.parameters, table.macs) == (parameters, macs)
    assert sum(row.parameters for row in table.rows) == parameters
    assert sum(row.macs for row in table.rows) == macs


def test_the_layer_table_of_lenet_is_the_published_one() -> None:
    rows = {row.name: row for row in layer_table(build_model("lenet", GREY), GREY).rows}
    weighted = [rows[name].parameters for name in ("conv1", "conv2", "fc1", "fc2", "fc3")]
    assert weighted == [156, 2_416, 30_840, 10_164, 850]
    shapes = [rows[name].output_shape for name in ("conv1", "pool1", "conv2", "pool2")]
    assert shapes == [(6, 24, 24), (6, 12, 12), (16, 8, 8), (16, 4, 4)]


@every_model
@pytest.mark.parametrize("spec", [GREY, ImageSpec(3, 32, 32, 2), ImageSpec(3, 48, 64, 100)])
def test_heads_follow_the_images_and_every_parameter_learns(name: str, spec: ImageSpec) -> None:  # W12, W14
    model = build_model(name, spec).train()
    logits = model(torch.rand(2, *spec.shape))
    assert logits.shape == (2, spec.num_classes)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@every_model
def test_one_image_keeps_its_batch_axis(name: str) -> None:  # W3
    model = build_model(name, GREY).eval()
    assert model(torch.rand(1, *GREY.shape)).shape == (1, 10)


@every_model
def test_a_model_can_learn_eight_images_by_heart(name: str) -> None:
    torch.manual_seed(0)
    images, labels = torch.randn(8, *GREY.shape), torch.arange(8) % 4
    model = build_model(name, GREY, {"activation": "relu"} if name == "lenet" else {})
    initialize(model, "xavier")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        optimizer.step()
    assert loss.item() < 0.5


def test_a_size_too_small_is_refused_before_training_with_the_way_out() -> None:  # W5, W13
    with pytest.raises(ModelError) as caught:
        build_model("lenet", ImageSpec(1, 8, 8, 10))
    assert str(caught.value) == (
        "lenet cannot take 8×8 images: layer conv2 needs at least 5×5 pixels and gets 2×2; "
        "use --image-size 16 or more."
    )
    build_model("lenet", ImageSpec(1, 16, 16, 10))
    with pytest.raises(ModelError, match="layer pool2 needs at least 2×2 pixels and gets 1×1"):
        build_model("lenet", ImageSpec(1, 15, 15, 10))


def test_a_deep_net_of_large_kernels_names_the_layer_that_gets_nothing() -> None:  # W5
    with pytest.raises(ModelError, match=r"layer conv4 .* use --image-size 25"):
        build_model("convnet", ImageSpec(3, 20, 20, 3), {"widths": [4, 4, 4, 4], "kernel_size": 7})


def test_28_pixels_through_five_poolings_is_refused_with_the_size_that_fits() -> None:  # W13
    arguments = {"widths": [4] * 5, "kernel_size": 1, "pool": True}
    with pytest.raises(ModelError, match=r"layer pool5 needs at least 2×2 .*gets 1×1; use --image-size 32"):
        build_model("convnet", GREY, arguments)
    assert build_model("convnet", ImageSpec(1, 32, 32, 10), arguments)(torch.rand(2, 1, 32, 32)).shape == (
        2,
        10,
    )


def test_an_unknown_model_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'lenet'.*convnet, lenet, mlp"):
        build_model("lennet", GREY)


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


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(UserError, match="'lenet' is already registered"):
        register_model("lenet")(lambda spec: nn.Identity())  # noqa: ARG005 - never called


def test_the_layer_table_leaves_the_model_as_it_was() -> None:
    model = build_model("convnet", PHOTO).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    layer_table(model, PHOTO)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
