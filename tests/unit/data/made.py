"""Small data sets, written in the formats of the large ones."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cnnexp.data.cifar10 import BATCHES, FOLDER
from cnnexp.data.dataset import MemorySource, Part
from cnnexp.data.idx import STEMS

Array = NDArray[np.uint8]


def pixels(seed: int, *shape: int) -> Array:
    """Random pixels."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_photos(folder: Path, classes: Iterable[str], count: int, *, size: int = 8, seed: int = 0) -> None:
    """Writes `count` different PNG photos of each class."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            array = pixels(seed * 10_000 + number * 100 + index, size, size, 3)
            Image.fromarray(array).save(folder / name / f"{index:02}.png")


def idx_bytes(array: Array) -> bytes:
    """The idx format of an array."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_idx(
    folder: Path, *, num_train: int = 40, num_test: int = 20, zipped: bool = True, seed: int = 0
) -> dict[str, str]:
    """Writes four idx files and returns their MD5 checksums by name."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = (
        pixels(seed, num_train, 28, 28),
        (np.arange(num_train) % 10).astype(np.uint8),
        pixels(seed + 1, num_test, 28, 28),
        (np.arange(num_test) % 10).astype(np.uint8),
    )
    checksums = {}
    for stem, array in zip(STEMS, arrays, strict=True):
        content = gzip.compress(idx_bytes(array), mtime=0) if zipped else idx_bytes(array)
        name = f"{stem}.gz" if zipped else stem
        (folder / name).write_bytes(content)
        checksums[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return checksums


def write_cifar10(data_dir: Path, *, per_batch: int = 20) -> None:
    """Writes CIFAR-10's folder of six pickles."""
    folder = data_dir / FOLDER
    folder.mkdir(parents=True)
    for number, name in enumerate(BATCHES):
        batch = {
            "data": pixels(number, per_batch, 3072),
            "labels": [index % 10 for index in range(per_batch)],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))


def pack_cifar10(data_dir: Path) -> tuple[Path, str]:
    """Packs the folder as it is published and returns the archive and its MD5 checksum."""
    archive = data_dir / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(data_dir / FOLDER, FOLDER)
    return archive, hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()


def memory_part(num_images: int, *, channels: int = 3, size: int = 4) -> Part:
    """A part whose image i holds the pixel value i (mod 256) and has label i."""
    values = torch.arange(num_images).remainder(256).to(torch.uint8)
    images = values.view(-1, 1, 1, 1).repeat(1, size, size, channels).permute(0, 3, 1, 2)
    return Part(MemorySource(images, torch.arange(num_images)), torch.arange(num_images))
