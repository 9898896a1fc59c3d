"""MNIST and Fashion-MNIST: idx files, plain or gzipped, where torchvision, Debian or a person put them.

Format: two zero bytes, a type byte (8: uint8), the number of dimensions, each dimension as a big-endian
uint32, then the values (LeCun, Cortes, Burges: "The MNIST database").
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import numpy as np

from cnnexp.data.arrays import ArrayImages
from cnnexp.data.download import Resource, fetch
from cnnexp.data.reading import Decodable, Found, Labels, Pixels, Reading
from cnnexp.data.registry import DATASETS, DatasetEntry, Lookup
from cnnexp.errors import DataError

STEMS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
UINT8 = 8
CHUNK_IMAGES = 4096


@dataclass(frozen=True, slots=True)
class IdxSet:
    """One set of four idx files.

    Attributes:
        name: as the user gives it.
        class_names: by label.
        folders: below the data directory, the first one being where a download goes.
        system_folder: where the operating system's package puts it.
        torchvision_name: its class there has mirrors, file names and checksums.
        mirrors: more mirrors, after torchvision's.
        first_labels: of the training part; MNIST and Fashion-MNIST have the same file names.
        ways: other ways to get it, for the message.
    """

    name: str
    class_names: tuple[str, ...]
    folders: tuple[str, ...]
    torchvision_name: str
    mirrors: tuple[str, ...]
    first_labels: bytes
    system_folder: Path | None = None
    ways: str = ""


MNIST = IdxSet(
    "mnist",
    tuple(str(digit) for digit in range(10)),
    ("MNIST/raw", "MNIST", "mnist", "."),
    "MNIST",
    ("https://storage.googleapis.com/cvdf-datasets/mnist/",),
    bytes([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]),
)
FASHION_MNIST = IdxSet(
    "fashion-mnist",
    ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ("FashionMNIST/raw", "FashionMNIST", "fashion-mnist", "."),
    "FashionMNIST",
    ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",),
    bytes([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]),
    Path("/usr/share/datasets/fashion-mnist"),
    "install Debian's package dataset-fashion-mnist, or ",
)
SETS = (MNIST, FASHION_MNIST)


def find_idx(idx_set: IdxSet, lookup: Lookup) -> Found:
    """Finds the four files, or downloads them.

    Raises:
        DataError: they are nowhere, and no mirror gives them; the sentence names every way to get them.
    """
    files = locate(idx_set, lookup.data_dir) or _download(idx_set, lookup)
    location = files[0].parent
    return Found(str(location), partial(_decodable, idx_set, files), idx_set.name, location, files)


def locate(idx_set: IdxSet, data_dir: Path) -> tuple[Path, ...] | None:
    """Returns the four files where they lie on this machine."""
    folders = [data_dir / folder for folder in idx_set.folders]
    if idx_set.system_folder is not None:
        folders.append(idx_set.system_folder)
    for folder in folders:
        files = tuple(file for stem in STEMS if (file := _file(folder, stem)) is not None)
        if len(files) == len(STEMS) and not _is_another_set(idx_set, files[1]):
            return files
    return None


def _file(folder: Path, stem: str) -> Path | None:
    names = (stem, f"{stem}.gz", stem.replace("-idx", ".idx"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _is_another_set(idx_set: IdxSet, train_labels: Path) -> bool:
    try:
        with _opened(train_labels) as stream:
            first = stream.read(8 + len(idx_set.first_labels))[8:]
    except (OSError, EOFError):
        return False  # a broken file is reported when it is read in full
    return any(first == other.first_labels for other in SETS if other is not idx_set)


def _download(idx_set: IdxSet, lookup: Lookup) -> tuple[Path, ...]:
    from torchvision import datasets  # seconds to import: only for its list of mirrors and checksums

    known = getattr(datasets, idx_set.torchvision_name)
    folder = lookup.data_dir / idx_set.folders[0]
    ways = (
        f"{idx_set.ways}put {', '.join(f'{stem}.gz' for stem in STEMS)} into {folder} (or another folder "
        "that --data-dir or CNNEXP_DATA_DIR names)"
    )
    resources = [Resource(name, md5) for name, md5 in known.resources]
    mirrors = (*known.mirrors, *idx_set.mirrors)
    fetch(idx_set.name, resources, mirrors, folder, ways=ways, progress=lookup.progress)
    files = locate(idx_set, lookup.data_dir)
    assert files is not None, "files just downloaded are found"
    return files


def _decodable(idx_set: IdxSet, files: tuple[Path, ...], reading: Reading) -> Decodable:
    labels = [
        _read_labels(files[1], len(idx_set.class_names)),
        _read_labels(files[3], len(idx_set.class_names)),
    ]
    shapes = [_image_shape(files[0]), _image_shape(files[2])]
    for file, shape, part in zip(files[::2], shapes, labels, strict=True):
        if shape[0] != len(part) or shape[1:] != shapes[0][1:]:
            raise DataError(f"{file} holds {shape[0]} images for {len(part)} labels; download the set again.")
    return ArrayImages(
        reading.frame(shapes[0][1:], 1),
        labels=np.concatenate(labels),
        class_names=idx_set.class_names,
        part_sizes=(len(labels[0]), 0, len(labels[1])),
        chunks=lambda: (chunk for file in files[::2] for chunk in _image_chunks(file)),
    )


def _opened(file: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _header(stream: IO[bytes], file: Path, num_dimensions: int) -> tuple[int, ...]:
    if _exactly(stream, 4, file) != bytes([0, 0, UINT8, num_dimensions]):
        raise DataError(
            f"{file} is not an idx file of uint8 with {num_dimensions} dimensions; download it again."
        )
    return tuple(int(size) for size in np.frombuffer(_exactly(stream, 4 * num_dimensions, file), ">u4"))


def _exactly(stream: IO[bytes], count: int, file: Path) -> bytes:
    try:
        data = stream.read(count)
    except (OSError, EOFError) as error:
        raise DataError(f"{file} is broken ({error}); delete it and download it again.") from error
    if len(data) != count:
        raise DataError(f"{file} is truncated; delete it and download it again.")
    return data


def _image_shape(file: Path) -> tuple[int, int, int]:
    with _opened(file) as stream:
        count, height, width = _header(stream, file, 3)
    return count, height, width


def _image_chunks(file: Path) -> Iterator[Pixels]:
    with _opened(file) as stream:
        count, height, width = _header(stream, file, 3)
        for start in range(0, count, CHUNK_IMAGES):
            shape = (min(CHUNK_IMAGES, count - start), height, width, 1)
            yield np.frombuffer(_exactly(stream, math.prod(shape), file), np.uint8).reshape(shape)


def _read_labels(file: Path, num_classes: int) -> Labels:
    with _opened(file) as stream:
        (count,) = _header(stream, file, 1)
        labels = np.frombuffer(_exactly(stream, count, file), np.uint8).astype(np.int64)
    if labels.size and labels.max() >= num_classes:
        raise DataError(f"{file} holds label {labels.max()}, but the set has {num_classes} classes.")
    return labels


def _where(idx_set: IdxSet, data_dir: Path) -> str | None:
    files = locate(idx_set, data_dir)
    return None if files is None else str(files[0].parent)


def _register(idx_set: IdxSet, summary: str) -> None:
    entry = DatasetEntry(
        idx_set.name,
        partial(find_idx, idx_set),
        summary,
        (28, 28),
        channels=1,
        num_classes=len(idx_set.class_names),
        num_images="60,000 + 10,000 test",
        locate=partial(_where, idx_set),
        how_to_get=f"{idx_set.ways}is downloaded at first use"
        if idx_set.ways
        else "is downloaded at first use",
    )
    DATASETS.add(idx_set.name, entry)


_register(MNIST, "Handwritten digits (LeCun, Cortes, Burges).")
_register(FASHION_MNIST, "Ten kinds of clothing (Xiao, Rasul, Vollgraf 2017).")
