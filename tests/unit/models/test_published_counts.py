"""Parameters and MACs of the published networks (five write-ups, and the papers), on the meta device."""

from __future__ import annotations

from typing import Any

import pytest

from cnnexp.image_spec import ImageSpec
from cnnexp.models import layer_table, outline_model
from cnnexp.models.layer_table import LayerTable

DIGIT, CIFAR = ImageSpec(1, 28, 28, 10), ImageSpec(3, 32, 32, 10)
PHOTO = ImageSpec(3, 64, 64, 3)
GREY_224, GREY_96, RGB_224 = ImageSpec(1, 224, 224, 10), ImageSpec(1, 96, 96, 10), ImageSpec(3, 224, 224, 10)
QUARTER, NORM = {"width_divisor": 4}, {"batch_norm": True}
READER = {"padding": 2, "activation": "relu", "pooling": "average", "dropout": 0.5}


def table_of(name: str, spec: ImageSpec, arguments: dict[str, Any]) -> LayerTable:
    return layer_table(outline_model(name, spec, arguments), spec)


@pytest.mark.parametrize(
    ("name", "spec", "arguments", "parameters", "macs"),
    [
        ("convnet", PHOTO, {}, 1_059, 3_321_312),
        ("convnet", PHOTO, {"widths": [32, 64]}, 19_779, 69_676_608),
        ("convnet", PHOTO, {"widths": [32, 64, 128]}, 94_083, 317_697_792),
        ("convnet", PHOTO, {"kernel_size": 5}, 2_595, 8_640_096),
        ("convnet", PHOTO, {"kernel_size": 7}, 4_899, 15_824_352),
        ("lenet", DIGIT, {}, 44_426, 281_640),
        ("lenet", DIGIT, READER, 61_706, 416_520),
        ("lenet-reader", DIGIT, {}, 61_706, 416_520),
        ("mlp", DIGIT, {}, 6_442, 6_416),
        ("cnn", DIGIT, {}, 6_422, 149_300),
        ("cifar-tutorial", CIFAR, {}, 62_006, 651_720),
        ("vgg8-cifar", CIFAR, {"last_pool": False}, 9_246_474, 152_784_896),
        ("vgg8-cifar", CIFAR, {}, 9_231_114, 152_769_536),
        ("vgg16-cifar", CIFAR, {}, 14_728_266, 313_201_664),
        ("vgg11", GREY_224, {}, 128_806_154, 7_547_232_256),
        ("vgg13", GREY_224, {}, 128_990_666, 11_246_608_384),
        ("vgg16", GREY_224, {}, 134_300_362, 15_408_406_528),
        ("vgg19", GREY_224, {}, 139_610_058, 19_570_204_672),
        ("vgg11", GREY_224, QUARTER, 43_093_322, 512_155_648),
        ("vgg13", GREY_224, QUARTER, 43_104_890, 743_366_656),
        ("vgg16", GREY_224, QUARTER, 43_436_986, 1_003_479_040),
        ("vgg19", GREY_224, QUARTER, 43_769_082, 1_263_591_424),
        ("vgg11", GREY_96, {}, 44_920_074, 1_399_955_456),
        ("vgg13", GREY_96, {}, 45_104_586, 2_079_432_704),
        ("vgg16", GREY_96, {}, 50_414_282, 2_843_844_608),
        ("vgg19", GREY_96, {}, 55_723_978, 3_608_256_512),
        ("vgg11", GREY_96, QUARTER, 22_121_802, 107_798_528),
        ("vgg16", GREY_96, QUARTER, 22_465_466, 198_041_600),
        ("vgg11", CIFAR, {}, 28_144_010, 171_679_744),
        ("vgg16", CIFAR, {}, 33_638_218, 332_111_872),
        ("vgg19", CIFAR, {}, 38_947_914, 417_046_528),
        ("three-block", CIFAR, {}, 652_426, 10_880_256),
        ("alexnet", GREY_224, {}, 46_764_746, 938_146_176),
    ],
)
def test_parameters_and_macs_are_the_published_ones(
    name: str, spec: ImageSpec, arguments: dict[str, Any], parameters: int, macs: int
) -> None:
    table = table_of(name, spec, arguments)
    assert (table.parameters, table.macs) == (parameters, macs)
    assert sum(row.parameters for row in table.rows) == parameters
    assert sum(row.macs for row in table.rows) == macs


@pytest.mark.parametrize(("name", "parameters"), [("vgg11", 128_812_810), ("vgg16", 134_309_962)])
def test_batch_norm_adds_parameters_and_no_macs(name: str, parameters: int) -> None:
    table = table_of(name, RGB_224, NORM)
    assert table.parameters == parameters
    assert table.macs == table_of(name, RGB_224, {}).macs


@pytest.mark.parametrize(
    ("name", "spec", "parameters"),
    [
        ("alexnet-tv", RGB_224, 57_044_810),
        ("googlenet", RGB_224, 5_610_154),
        ("resnet18", RGB_224, 11_181_642),
        ("resnet34", RGB_224, 21_289_802),
        ("resnet50", RGB_224, 23_528_522),
        ("densenet121", RGB_224, 6_964_106),
        ("resnet-cifar", CIFAR, 11_173_962),
    ],
)
def test_torchvisions_networks_have_the_published_parameters(
    name: str, spec: ImageSpec, parameters: int
) -> None:
    assert table_of(name, spec, {}).parameters == parameters


def test_the_layer_table_of_lenet_is_the_published_one() -> None:
    rows = {row.name: row for row in table_of("lenet", DIGIT, {}).rows}
    weighted = [rows[name].parameters for name in ("conv1", "conv2", "fc1", "fc2", "fc3")]
    assert weighted == [156, 2_416, 30_840, 10_164, 850]
    shapes = [rows[name].output_shape for name in ("conv1", "pool1", "conv2", "pool2")]
    assert shapes == [(6, 24, 24), (6, 12, 12), (16, 8, 8), (16, 4, 4)]


def test_vgg_11_has_eleven_weighted_layers_in_five_blocks_and_three_linear_ones() -> None:  # S3, question 1
    rows = table_of("vgg11", GREY_224, {}).rows
    assert len([row for row in rows if row.parameters]) == 11
    shapes = {row.name: row.output_shape for row in rows}
    assert [shapes[f"block{number}.pool"] for number in range(1, 6)] == [
        (64, 112, 112),
        (128, 56, 56),
        (256, 28, 28),
        (512, 14, 14),
        (512, 7, 7),
    ]
    assert [shapes[name] for name in ("flatten", "fc1", "fc2", "fc3")] == [(25_088,), (4096,), (4096,), (10,)]


@pytest.mark.parametrize(
    ("name", "spec", "features"),
    [("vgg8-cifar", CIFAR, 512), ("three-block", CIFAR, 2048), ("alexnet", GREY_224, 6400)],
)
def test_the_head_gets_as_many_numbers_as_published(name: str, spec: ImageSpec, features: int) -> None:
    shapes = {row.name: row.output_shape for row in table_of(name, spec, {}).rows}
    assert shapes["flatten"] == (features,)


@pytest.mark.parametrize("number", [11, 13, 16, 19])
def test_vgg_with_the_blocks_of_a_column_is_that_column(number: int) -> None:
    counts = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}[number]
    blocks = list(zip(counts, (64, 128, 256, 512, 512), strict=True))
    assert table_of("vgg", CIFAR, {"blocks": blocks}) == table_of(f"vgg{number}", CIFAR, {})
