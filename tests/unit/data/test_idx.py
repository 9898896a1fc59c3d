from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cnnexp.data import idx, load_dataset
from cnnexp.data.idx import FASHION_MNIST, MNIST, STEMS, find_idx, locate
from cnnexp.data.reading import Reading
from cnnexp.data.registry import Lookup
from cnnexp.errors import DataError
from cnnexp.settings.groups import DataSettings
from tests.unit.data.made import idx_bytes, pixels, write_idx

NO_SYSTEM = replace(FASHION_MNIST, system_folder=None)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["FashionMNIST/raw", "fashion-mnist", "FashionMNIST", "."])
def test_idx_files_are_found_where_people_put_them(tmp_path: Path, place: str, zipped: bool) -> None:
    write_idx(tmp_path / place, zipped=zipped)
    found = find_idx(NO_SYSTEM, Lookup(tmp_path))
    assert Path(found.location) == tmp_path / place
    decodable = found.open(Reading())
    assert decodable.part_sizes == (40, 0, 20)
    blocks = list(decodable.blocks())
    assert (blocks[0].images[..., 0] == pixels(0, 40, 28, 28)).all()
    assert (blocks[1].images[..., 0] == pixels(1, 20, 28, 28)).all()


def test_the_data_directory_comes_before_the_system_s_folder(tmp_path: Path) -> None:
    write_idx(tmp_path / "system")
    fashion = replace(FASHION_MNIST, system_folder=tmp_path / "system")
    assert find_idx(fashion, Lookup(tmp_path / "data")).location == str(tmp_path / "system")
    write_idx(tmp_path / "data")
    assert find_idx(fashion, Lookup(tmp_path / "data")).location == str(tmp_path / "data")


def test_files_of_mnist_are_not_taken_for_fashion_mnist(tmp_path: Path) -> None:
    write_idx(tmp_path)
    labels = bytes([5, 0, 4, 1, 9, 2, 1, 3, 1, 4] * 4)
    (tmp_path / f"{STEMS[1]}.gz").unlink()
    (tmp_path / STEMS[1]).write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 40]) + labels)
    assert locate(MNIST, tmp_path) is not None
    assert locate(NO_SYSTEM, tmp_path) is None


def test_a_truncated_file_and_one_of_another_kind_are_named(tmp_path: Path) -> None:
    write_idx(tmp_path, zipped=False)
    images = tmp_path / STEMS[0]
    whole = images.read_bytes()
    for content, sentence in ((whole[:-1], "is truncated"), (b"PK" + whole, "not an idx file")):
        images.write_bytes(content)
        with pytest.raises(DataError, match=f"{STEMS[0]} {sentence}|{STEMS[0]} is {sentence}"):
            list(find_idx(NO_SYSTEM, Lookup(tmp_path)).open(Reading()).blocks())


def test_a_broken_gzip_file_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path)
    images = tmp_path / f"{STEMS[0]}.gz"
    images.write_bytes(images.read_bytes()[:-400])
    with pytest.raises(DataError, match=rf"{STEMS[0]}.gz is broken"):
        load_dataset(DataSettings(dataset="fashion-mnist", data_dir=str(tmp_path)))
    assert not list((tmp_path / "cache" / "sets").iterdir())  # no torn entry is left


def test_counts_that_disagree_are_named(tmp_path: Path) -> None:
    write_idx(tmp_path, zipped=False)
    (tmp_path / STEMS[0]).write_bytes(idx_bytes(pixels(0, 39, 28, 28)))
    with pytest.raises(DataError, match="39 images for 40 labels"):
        find_idx(NO_SYSTEM, Lookup(tmp_path)).open(Reading())


def test_class_zero_of_fashion_mnist_is_the_t_shirt() -> None:
    assert FASHION_MNIST.class_names[0] == "T-shirt"


def test_real_fashion_mnist_has_s1_s_split_and_known_statistics() -> None:
    if not any((idx.FASHION_MNIST.system_folder or Path("missing")).glob("*.gz")):
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    data = load_dataset(DataSettings(dataset="fashion-mnist", split="contiguous"))
    assert [len(part) for part in (data.train, data.val, data.test)] == [48_000, 12_000, 10_000]
    assert data.val.indices[0] == 48_000
    assert data.train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert data.test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    assert data.mean == pytest.approx((0.2860,), abs=0.001)
    assert data.std == pytest.approx((0.3530,), abs=0.001)
    first = data.train.read(torch.tensor([0]))
    assert first.shape == (1, 1, 28, 28)
    assert int(first.sum()) == 76_247  # an ankle boot
