"""`cnnexp data inspect`: what the terminal says, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cnnexp
from cnnexp.cli import cli
from cnnexp.cli.data import LOOKS
from cnnexp.errors import DataError, SettingsError, UnknownNameError, UserError
from tests.unit.data.made import write_photos


def inspect(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["data", "inspect", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("command", LOOKS)
def test_help_is_what_it_was(command: str, golden: Callable[[str, str], None]) -> None:
    result = CliRunner().invoke(cli, ["data", command, "--help"], prog_name="cnnexp", terminal_width=100)
    assert result.exit_code == 0
    golden(f"help_data_{command}.txt", result.output)


def test_without_a_folder_the_terminal_says_all_and_nothing_is_written(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", ["a", "b"], 3)
    result = inspect("folder:photos", "--no-labels")
    assert result.exit_code == 0
    for name in ("images", "balance", "files", "unreadable", "exact duplicates", "near duplicates", "labels"):
        assert f"\n{name} " in result.output
    assert {path.name for path in tmp_path.iterdir()} <= {"photos", "cache"}


def test_one_class_can_be_inspected(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", ["a"], 3)
    result = inspect("folder:photos")
    assert result.exit_code == 0
    assert "There is one class: nothing can be learned from it alone." in result.output
    assert "Not judged: that needs two classes of 5 images or more." in result.output


def test_of_many_classes_the_largest_and_the_smallest_are_listed(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", [f"class{number:02}" for number in range(40)], 1)
    write_photos(tmp_path / "photos", ["small"], 1)
    result = inspect("folder:photos", "--no-labels")
    assert "class09" in result.output
    assert "class15" not in result.output
    assert "…" in result.output


def test_what_is_there_already_is_overwritten_only_when_asked(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", ["a", "b"], 2)
    arguments = ("folder:photos", "--no-labels", "-o", "out", "--image-size", "16")
    assert "Written: out/balance.png" in inspect(*arguments).output
    with pytest.raises(UserError, match=r"--output out holds summary.md already; give --force"):
        inspect(*arguments)
    assert inspect(*arguments, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        (["fashon"], UnknownNameError, "did you mean 'fashion-mnist'"),
        (["folder:nowhere"], DataError, "nowhere does not exist"),
        (["folder:empty"], DataError, "empty holds no images"),
        (["folder:outer"], DataError, r"do you mean folder:outer/inner\?"),
        (["digits", "--image-size", "big"], SettingsError, r"image_size = 'big' \(--image-size\)"),
        (["digits", "-o", "file"], UserError, "--output file cannot be made a folder"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], kind: type[UserError], sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    write_photos(tmp_path / "outer/inner/train", ["a", "b"], 1)
    with pytest.raises(kind, match=sentence):
        inspect(*arguments)


def test_python_finds_what_the_command_says_and_writes(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", ["a", "b"], 3)
    (tmp_path / "photos/b/copy.png").write_bytes(next((tmp_path / "photos/a").iterdir()).read_bytes())
    said = inspect("folder:photos", "--no-labels", "--image-size", "16", "-o", "said").output
    found = cnnexp.inspect("folder:photos", "made", labels=False, image_size=16)
    assert [len(group) for group in found.exact] == [2]
    for name, text in found.sentences.items():
        assert f"{name} {text}" in " ".join(said.split())
    written = [{path.name: path.read_bytes() for path in Path(at).iterdir()} for at in ("said", "made")]
    assert written[0] == written[1]
    with pytest.raises(SettingsError, match=r"image_size = 'big' \(argument image_size\)"):
        cnnexp.inspect("folder:photos", image_size="big")


def test_a_set_of_ones_own_comes_from_a_plugin(tmp_path: Path) -> None:
    code = """
import cnnexp, numpy as np

@cnnexp.register_dataset("own_stripes")
def stripes(data_dir):
    return cnnexp.ImageArrays(np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1], ("rows", "columns"))
"""
    (tmp_path / "own.py").write_text(code)
    result = inspect("own_stripes", "--plugin", "own.py")
    assert "1 image with copies, 3 of them" in result.output
    assert "1 with different labels" in result.output
