"""Weights from a file, fitted to the images; all files here are made by the tests."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import get_model

from cnnexp.errors import ModelError
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model, outline_model
from cnnexp.models.pretrained import (
    PUBLISHED,
    load_pretrained,
    named_alike,
    normalization_of,
    published_weights,
    read_weights,
)

COLOR, GREY = ImageSpec(3, 64, 64, 10), ImageSpec(1, 64, 64, 10)
RESNET = "resnet18"


def weights_of(name: str, spec: ImageSpec, arguments: dict[str, Any] | None = None) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return build_model(name, spec, arguments).state_dict()


def test_a_file_gives_the_same_network(tmp_path: Path) -> None:
    weights = weights_of("cnn", ImageSpec(1, 28, 28, 10))
    torch.save(weights, tmp_path / "w.pth")
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "nested.pth")
    save_file(weights, tmp_path / "w.safetensors")
    save_file(
        {f"model/{key}": value for key, value in weights.items()} | {"optimizer/0": torch.zeros(1)},
        tmp_path / "best.safetensors",  # as a run's checkpoint has them
    )
    for name in ("w.pth", "nested.pth", "w.safetensors", "best.safetensors"):
        model = build_model("cnn", ImageSpec(1, 28, 28, 10))
        assert load_pretrained(model, read_weights(tmp_path / name), name="cnn") == []
        assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_another_number_of_classes_draws_the_head_anew_and_keeps_the_rest() -> None:
    weights = weights_of(RESNET, ImageSpec(3, 64, 64, 1000))
    model = build_model(RESNET, COLOR)
    drawn = model.get_parameter("fc.weight").clone()
    notes = load_pretrained(model, weights, name=RESNET)
    assert notes == ["fc starts anew: 1000 classes in the weights, 10 here"]
    assert torch.equal(model.get_parameter("fc.weight"), drawn)
    assert torch.equal(model.get_parameter("layer4.1.conv2.weight"), weights["layer4.1.conv2.weight"])
    assert torch.equal(model.get_buffer("bn1.running_mean"), weights["bn1.running_mean"])


def test_grey_images_get_the_answer_of_the_same_picture_in_colour() -> None:
    colored, grey = build_model(RESNET, COLOR).eval(), build_model(RESNET, GREY).eval()
    notes = load_pretrained(grey, colored.state_dict(), name=RESNET)
    assert notes == ["conv1.weight was fitted to 1 channel(s)"]
    images = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(grey(images), colored(images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
        back = build_model(RESNET, COLOR).eval()
        load_pretrained(back, grey.state_dict(), name=RESNET)
        torch.testing.assert_close(back(images.expand(-1, 3, -1, -1)), grey(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", ["vgg11", "vgg19"])
def test_torchvisions_vgg_is_ours_layer_by_layer(name: str, batch_norm: bool) -> None:
    spec = ImageSpec(3, 224, 224, 1000)
    with torch.device("meta"):
        theirs = get_model(f"{name}{'_bn' if batch_norm else ''}").state_dict()
    own = outline_model(name, spec, {"batch_norm": batch_norm}).state_dict()
    shapes = named_alike(dict(sorted(theirs.items())), own)  # safetensors keeps no order
    assert set(shapes) == {key for key in own if not key.endswith("num_batches_tracked")}
    assert shapes["block1.conv1.weight"] is theirs["features.0.weight"]
    assert shapes["fc1.weight"] is theirs["classifier.0.weight"]
    assert shapes["fc3.bias"] is theirs["classifier.6.bias"]
    last = max(int(key.split(".")[1]) for key, v in theirs.items() if key[0] == "f" and v.dim() == 4)
    count = {"vgg11": 2, "vgg19": 4}[name]
    assert shapes[f"block5.conv{count}.weight"] is theirs[f"features.{last}.weight"]


def test_torchvisions_vgg_answers_the_same_in_our_form() -> None:
    theirs = get_model("vgg11_bn", num_classes=5, init_weights=True)
    theirs.classifier = nn.Sequential(
        nn.Linear(512, 16),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(16, 16),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(16, 5),
    )
    theirs.avgpool = nn.Identity()
    ours = build_model("vgg11", ImageSpec(3, 32, 32, 5), {"batch_norm": True, "hidden": 16})
    assert load_pretrained(ours, theirs.state_dict(), name="vgg11") == []
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_old_files_of_densenet_and_googlenets_auxiliary_heads_fit() -> None:
    weights = outline_model("densenet121", COLOR).state_dict()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value
        for key, value in weights.items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    model = outline_model("densenet121", COLOR)
    assert load_pretrained(model, old, name="densenet121") == []
    with torch.device("meta"):
        whole = get_model("googlenet", init_weights=False).state_dict()
    assert any(key.startswith("aux1.") for key in whole)
    with torch.device("meta"):
        notes = load_pretrained(outline_model("googlenet", COLOR), whole, name="googlenet")
    assert notes == ["fc starts anew: 1000 classes in the weights, 10 here"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_set_of_weights_is_of_that_model(name: str) -> None:
    """By the shapes of torchvision's own network, for which the weights are."""
    published = published_weights(name, {})
    assert published.url.startswith("https://download.pytorch.org/models/")
    assert re.fullmatch(r"[0-9a-f]{8}", published.hash_prefix)
    with torch.device("meta"):
        options = {"init_weights": False} if name == "googlenet" else {}
        theirs = get_model(PUBLISHED[name], **options).state_dict()
    model = outline_model(name, ImageSpec(1, 224, 224, 10))
    assert len(load_pretrained(model, theirs, name=name)) == 2  # channels, classes
    assert name in MODELS


def test_weights_with_batch_norm_are_others() -> None:
    assert published_weights("vgg16", {"batch_norm": True}).name == "VGG16_BN_Weights.IMAGENET1K_V1"
    assert published_weights("vgg16", {"batch_norm": False}).name == "VGG16_Weights.IMAGENET1K_V1"


def test_a_model_without_published_weights_names_those_that_have_some() -> None:
    with pytest.raises(
        ModelError, match=r"no published weights of lenet; of alexnet-tv, densenet121, .*vgg19"
    ):
        published_weights("lenet", {})


def test_pixels_are_scaled_as_in_the_training_of_the_weights() -> None:
    assert [normalization_of(name) for name in ("resnet18", "googlenet", "lenet")] == [
        "imagenet",
        "half",
        "dataset",
    ]


@pytest.mark.parametrize(
    ("name", "spec", "sentence"),
    [
        (
            "resnet34",
            COLOR,
            r"the weights do not fit resnet34: the weights lack layer1\.2\.conv1\.weight; choose",
        ),
        ("lenet", COLOR, r"do not fit lenet: the weights lack conv1\.bias"),
    ],
)
def test_weights_of_another_network_are_refused(name: str, spec: ImageSpec, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        load_pretrained(outline_model(name, spec), outline_model(RESNET, spec).state_dict(), name=name)


def test_weights_of_another_size_name_the_layer_and_both_shapes() -> None:
    weights = outline_model("vgg11", ImageSpec(3, 224, 224, 10)).state_dict()
    with pytest.raises(
        ModelError, match=r"fc1\.weight is 4096×25088 in them and 4096×512 in the model; build"
    ):
        load_pretrained(outline_model("vgg11", ImageSpec(3, 32, 32, 10)), weights, name="vgg11")


class Dangerous:
    """What it would do when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (b"", ".pth"),
        (b"no weights at all", ".pth"),
        (b"PK\x03\x04 torn", ".pth"),
        (pickle.dumps([1, 2]), ".pth"),
        (pickle.dumps(Dangerous()), ".pth"),
        (b"", ".safetensors"),
        (b"\xff" * 100, ".safetensors"),
        (None, ".pth"),
        (None, ".safetensors"),
    ],
)
def test_a_file_that_holds_no_weights_is_one_sentence_and_runs_no_code(
    content: bytes | None, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"weights{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ModelError, match=r"^the weights '.*' cannot be read \(.+\); give --pretrained"
    ) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)
    assert not Path("ran").exists()


def test_a_file_of_something_else_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="it holds no table of tensors by name"):
        read_weights(tmp_path / "w.pth")
