"""`cnnexp show`: its words, its JSON, its pictures, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnexp.cli import cli
from cnnexp.errors import UserError

RAISES = '''
import cnnexp
@cnnexp.register_model("raises")
def raises(spec):
    """Cannot be built."""
    raise ValueError("no such thing")
'''


def show(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["show", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def refusal(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["show", *arguments])
    assert isinstance(result.exception, UserError), result.output
    assert result.exception.exit_code == 2
    assert not result.stdout
    return str(result.exception)


def test_lenet_is_shown_as_published(golden: Callable[[str, str], None]) -> None:
    golden("show_lenet.txt", show("lenet"))


def test_a_folded_network(golden: Callable[[str, str], None]) -> None:
    golden("show_vgg11_depth_1.txt", show("vgg11", "--input", "1x224x224", "--depth", "1"))


def test_several_are_put_side_by_side(golden: Callable[[str, str], None]) -> None:
    golden("show_side_by_side.txt", show("alexnet", "vgg11", "--input", "1x224x224", "--no-measure"))


def test_two_are_measured_and_one_is_not() -> None:
    texts = show("lenet", "mlp", "--threads", "1"), show("lenet")
    assert ["ms/image" in text for text in texts] == [True, False]
    assert "cpu with 1 thread(s)" in texts[0] or "cuda" in texts[0]
    assert "0.02 × the MACs" in texts[0]


def test_json_is_all_there_is_and_has_what_programs_need() -> None:
    lenet, mlp = json.loads(show("lenet", "mlp", "--json", "--no-measure"))
    assert (lenet["name"], lenet["parameters"], lenet["trainable_parameters"]) == ("lenet", 44_426, 44_426)
    assert lenet["macs"] == 281_640
    assert (lenet["speed"], mlp["name"]) == (None, "mlp")
    first = lenet["layers"][0]
    assert (first["name"], first["output_shape"]) == ("conv1", [6, 24, 24])
    assert (first["parameters"], first["macs"], first["receptive_field"]) == (156, 86_400, [5, 5])


def test_an_alias_is_shown_under_the_models_own_name() -> None:
    (found,) = json.loads(show("vgg-11", "--json", "--image-size", "32"))
    assert (found["name"], found["input"]) == ("vgg11", [1, 32, 32])


def test_images_can_be_as_a_data_set_has_them() -> None:
    (cifar,) = json.loads(show("lenet", "--dataset", "cifar10", "--json"))
    assert (cifar["input"], cifar["num_classes"]) == ([3, 32, 32], 10)


def test_a_measured_json_says_where() -> None:
    (mlp,) = json.loads(show("mlp", "--json", "--measure", "--device", "cpu", "--threads", "1"))
    assert mlp["speed"]["place"] == "cpu with 1 thread(s)"
    assert mlp["speed"]["inference_seconds"] > 0


@pytest.mark.parametrize("name", ["net.svg", "net.png"])
def test_a_graph_is_drawn_and_never_over_a_file_unasked(name: str) -> None:
    assert f"Drawn: {name}" in show("lenet", "--graph", name)
    first = Path(name).read_bytes()
    assert len(first) > 1000
    assert "--force" in refusal("lenet", "--graph", name)
    assert Path(name).read_bytes() == first
    show("mlp", "--graph", name, "--force")
    assert Path(name).read_bytes() != first


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lennet"], "did you mean 'lenet'"),
        (["lenet", "--input", "28x28"], "must be CxHxW"),
        (["lenet", "--input", "0x28x28"], "must have 1 to 4096 channels"),
        (["lenet", "--input", "1x28x99999"], "sides of 1 to 4096 pixels"),
        (["lenet", "--input", "1x28xno"], "must be CxHxW"),
        (["lenet", "--input", "1x28x28", "--dataset", "digits"], "give one of them"),
        (["lenet", "--dataset", "digits", "--classes", "3"], "leave --classes 3 out"),
        (["lenet", "--dataset", "digit"], "did you mean 'digits'"),
        (["lenet", "--image-size", "0"], "--image-size '0' must be a size in pixels"),
        (["lenet", "--set", "activaton=relu"], "did you mean 'activation'"),
        (["lenet", "--set", "dropout=much"], "must be a number"),
        (["lenet", "--set", "dropout"], "must be NAME=VALUE"),
        (["vgg11", "--input", "1x28x28"], "block5.pool .*use --image-size 32"),
        (["lenet", "--graph", "net.gif"], "must end with .svg or .png"),
        (["lenet", "--graph", "nowhere/net.png"], "the folder nowhere does not exist"),
        (["lenet", "mlp", "--graph", "net.png"], "draws one network, not 2"),
        (["lenet", "--measure", "--device", "cuda:9"], "not available here"),
        (["lenet", "--plugin", "none.py"], "none.py"),
        (["convnet", "--input", "1x3x3", "--batch-size", "1"], "use --batch-size 2"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str) -> None:
    import re

    assert re.search(sentence, refusal(*arguments))


def test_a_model_of_ones_own_that_raises_is_one_sentence() -> None:
    Path("raising.py").write_text(RAISES, encoding="utf-8")
    assert "model 'raises' fails on" in (said := refusal("raises", "--plugin", "raising.py"))
    assert "ValueError: no such thing" in said
