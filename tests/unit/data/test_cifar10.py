"""W16: a pickle is never executed; what it may build is arrays."""

from __future__ import annotations

import gc
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnnexp.data import cifar10, load_dataset
from cnnexp.data.cifar10 import FOLDER, find_cifar10, read_batch
from cnnexp.data.reading import Reading
from cnnexp.data.registry import Lookup
from cnnexp.errors import DataError
from cnnexp.settings.groups import DataSettings
from tests.unit.data.made import pack_cifar10, pixels, write_cifar10


def settings(data_dir: Path) -> DataSettings:
    return DataSettings(dataset="cifar10", data_dir=str(data_dir))


class _Malicious:
    """Unpickles as a call."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call, self.arguments


def test_the_folder_gives_images_and_labels_in_file_order(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    data = load_dataset(settings(tmp_path))
    assert data.spec.shape == (3, 32, 32)
    assert len(data.test) == 20
    images = data.test.read(data.test.indices - 100).numpy()
    assert (images == pixels(5, 20, 3072).reshape(20, 3, 32, 32)).all()


@pytest.mark.parametrize(
    "call", [(os.system, "touch executed"), (Path.touch, Path("executed")), (eval, "open('executed','w')")]
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_malicious_pickle_is_refused_and_not_executed(
    tmp_path: Path, call: tuple[Callable[..., object], object], protocol: int
) -> None:
    write_cifar10(tmp_path)
    batch = {"data": pixels(0, 20, 3072), "labels": _Malicious(*call)}
    (tmp_path / FOLDER / "data_batch_3").write_bytes(pickle.dumps(batch, protocol=protocol))
    with pytest.raises(DataError, match=r"data_batch_3 is not a batch of CIFAR-10 \(it asks for"):
        load_dataset(settings(tmp_path))
    assert not Path("executed").exists()


def test_arrays_pickled_by_python_2_are_read() -> None:
    # Protocol 2 as Python 2 wrote it: byte strings (SHORT_BINSTRING), names of the old numpy module
    pickled = pickle.dumps({"data": pixels(0, 1, 3072), "labels": [3]}, protocol=2)
    assert b"_codecs" in pickled
    old = pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert read_batch(old, "here").labels.tolist() == [3]


def test_a_truncated_batch_and_wrong_labels_are_named() -> None:
    whole = pickle.dumps({"data": pixels(0, 2, 3072), "labels": [3, 10]}, protocol=2)
    with pytest.raises(DataError, match="here is not a batch of CIFAR-10"):
        read_batch(whole[:-50], "here")
    with pytest.raises(DataError, match="labels that do not fit"):
        read_batch(whole, "here")


def test_the_archive_is_read_after_its_checksum_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(tmp_path / "one")
    archive, md5 = pack_cifar10(tmp_path / "one")
    (tmp_path / "two").mkdir()
    archive.rename(tmp_path / "two" / archive.name)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    found = find_cifar10(Lookup(tmp_path / "two"))
    with pytest.raises(DataError, match=f"has checksum {md5}, not c58f"):
        found.open(Reading())
    monkeypatch.setattr(cifar10, "ARCHIVE", replace(cifar10.ARCHIVE, md5=md5))
    decodable = found.open(Reading())
    images = np.concatenate([block.images for block in decodable.blocks()])
    folder = find_cifar10(Lookup(tmp_path / "one")).open(Reading())
    assert (images == np.concatenate([block.images for block in folder.blocks()])).all()
    assert (decodable.labels == folder.labels).all()
    del decodable
    gc.collect()
    assert not list((tmp_path / "temporary").iterdir())
