from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnexp.data import load_dataset
from cnnexp.data.catalog import describe_datasets
from cnnexp.data.registry import ImageArrays, register_dataset
from cnnexp.errors import DataError, UnknownNameError, UserError
from cnnexp.settings.groups import DataSettings
from tests.unit.data.made import pixels, write_idx, write_photos


@pytest.fixture
def stripes() -> list[Path]:
    """A user's data set; the data directories that its function was called with."""
    asked: list[Path] = []

    @register_dataset("stripes", image_size=(8, 8), channels=3, num_classes=2)
    def make(data_dir: Path) -> ImageArrays:
        """Two kinds of stripes."""
        asked.append(data_dir)
        return ImageArrays(pixels(0, 100, 8, 8, 3), np.arange(100) % 2, ["across", "down"])

    return asked


def test_digits_come_enlarged_to_28_pixels_and_as_they_are_when_asked() -> None:
    data = load_dataset(DataSettings())
    assert data.spec.shape == (1, 28, 28)
    assert [len(data.train), len(data.val), len(data.test)] == [1150, 288, 359]
    small = load_dataset(DataSettings(image_size=(8, 8)))
    images = small.train.read(torch.arange(len(small.train)))
    assert images.shape[1:] == (1, 8, 8)
    assert int(images.max()) == 255
    assert len(set(images.flatten().tolist())) == 17  # 0 to 16, scaled


def test_a_user_s_function_is_a_data_set(stripes: list[Path]) -> None:
    data = load_dataset(DataSettings(dataset="stripes", data_dir="here"))
    assert stripes == [Path("here")]
    assert data.class_names == ("across", "down")
    assert len(data.train) + len(data.val) + len(data.test) == 100
    images = data.train.read(torch.arange(len(data.train)))
    assert (images.permute(0, 2, 3, 1).numpy() == pixels(0, 100, 8, 8, 3)[data.train.indices]).all()


def test_a_user_s_function_is_asked_every_time(stripes: list[Path]) -> None:
    for _ in range(2):
        load_dataset(DataSettings(dataset="stripes"))
    assert len(stripes) == 2


def test_a_function_that_returns_something_else_is_named() -> None:
    register_dataset("wrong")(lambda _: [1, 2])  # type: ignore[type-var]  # wrong on purpose
    with pytest.raises(DataError, match="'wrong' must return ImageArrays, not list"):
        load_dataset(DataSettings(dataset="wrong"))


def test_a_set_says_which_parts_were_cut_from_it(tmp_path: Path) -> None:
    def cut(*given: str) -> tuple[str, ...]:
        for part in given:
            write_photos(tmp_path / "-".join(given) / part, ["a", "b"], 10)
        return load_dataset(DataSettings(dataset=f"folder:{tmp_path / '-'.join(given)}")).cut

    assert load_dataset(DataSettings()).cut == ("val", "test")
    assert cut("train", "test") == ("val",)
    assert cut("train", "val", "test") == ()


@pytest.mark.usefixtures("stripes")
def test_a_name_is_registered_once() -> None:
    with pytest.raises(UserError, match="already registered"):
        register_dataset("stripes")(lambda _: ImageArrays(pixels(0, 2, 8, 8), [0, 1], ["a", "b"]))


@pytest.mark.parametrize("name", ["digit", "mnist:here"])
def test_an_unknown_data_set_is_answered_with_the_nearest(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean '(digits|mnist)'\?.*folder:PATH"):
        load_dataset(DataSettings(dataset=name))


def test_statistics_come_from_the_training_part_only(tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 10)
    data = load_dataset(DataSettings(dataset=f"folder:{tmp_path}"))
    images = data.train.read(torch.arange(len(data.train))).double() / 255
    assert data.mean == pytest.approx(images.mean(dim=(0, 2, 3)).tolist(), abs=1e-9)
    assert data.std == pytest.approx(images.std(dim=(0, 2, 3), correction=0).tolist(), abs=1e-9)


@pytest.mark.parametrize(("how", "mean", "std"), [("half", 0.5, 0.5), ("none", 0.0, 1.0)])
def test_fixed_normalisations_are_fixed(how: str, mean: float, std: float, tmp_path: Path) -> None:
    write_photos(tmp_path, ["a", "b"], 5)
    data = load_dataset(DataSettings(dataset=f"folder:{tmp_path}", normalize=how))
    assert (data.mean, data.std) == ((mean,) * 3, (std,) * 3)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    @register_dataset("flat")
    def make(data_dir: Path) -> ImageArrays:  # noqa: ARG001 - the signature of such functions
        return ImageArrays(np.zeros((20, 4, 4), np.uint8), np.arange(20) % 2, ["a", "b"])

    assert load_dataset(DataSettings(dataset="flat")).std == (1 / 255,)


def test_duplicates_across_parts_are_counted_with_an_example(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "val", "test")):
        write_photos(tmp_path / part, ["a", "b"], 3, seed=number)
    (tmp_path / "test" / "a" / "09.png").write_bytes((tmp_path / "train" / "b" / "01.png").read_bytes())
    (tmp_path / "val" / "b" / "09.png").write_bytes((tmp_path / "train" / "b" / "01.png").read_bytes())
    for _ in range(2):  # decoded, then from the cache
        (note,) = load_dataset(DataSettings(dataset=f"folder:{tmp_path}")).notes
        assert note == (
            "Exact duplicates across parts: 1 of the 7 val images are also in train; "
            "1 of the 7 test images are also in train; 1 of the 7 test images are also in val; "
            "first: val/b/09.png (val) = train/b/01.png (train)."
        )


def test_the_digest_follows_images_labels_names_and_split(tmp_path: Path) -> None:
    write_photos(tmp_path / "one", ["a", "b"], 6)
    settings = DataSettings(dataset=f"folder:{tmp_path / 'one'}")
    digest = load_dataset(settings).digest
    assert len(digest) == len("sha256:") + 64
    assert load_dataset(settings).digest == digest
    assert load_dataset(settings.model_copy(update={"cache": False})).digest == digest
    assert load_dataset(settings.model_copy(update={"split_seed": 1})).digest != digest
    moved = tmp_path / "one" / "a" / "00.png"
    moved.rename(tmp_path / "one" / "b" / "zz.png")
    assert load_dataset(settings).digest != digest


def test_the_catalogue_says_where_sets_lie_or_how_to_get_them(tmp_path: Path) -> None:
    rows = {row.name: row for row in describe_datasets(tmp_path)}
    assert list(rows) == ["cifar10", "digits", "fashion-mnist", "folder:PATH", "mnist"]
    assert (rows["digits"].on_disk, rows["digits"].image_size) == (True, "28×28")
    assert not rows["mnist"].on_disk
    assert "download" in rows["mnist"].where
    write_idx(tmp_path / "MNIST" / "raw")
    row = next(row for row in describe_datasets(tmp_path) if row.name == "mnist")
    assert (row.on_disk, row.where) == (True, str(tmp_path / "MNIST" / "raw"))


def test_listing_data_sets_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cnnexp.data.catalog import describe_datasets; describe_datasets('.');"
        "print(*{'torch', 'torchvision', 'PIL', 'sklearn', 'requests'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == ""
