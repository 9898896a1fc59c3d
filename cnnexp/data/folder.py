"""Photo folders: PATH/class/**/image, or PATH/train, PATH/test and optionally PATH/val holding such trees.

Nothing is moved or written; hidden files and files that are no images by name are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnexp.data.reading import Decodable, Found, Frame, Labels, Reading
from cnnexp.data.registry import DATASETS, DatasetEntry, Lookup
from cnnexp.errors import DataError

SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
    }
    | {".avif", ".jp2"}
)
DEFAULT_SIZE = (64, 64)
PART_WORDS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
LAYOUT = "PATH/class/image.jpg, or PATH/train/class/image.jpg and PATH/test/class/image.jpg"


@dataclass(frozen=True, slots=True)
class Tree:
    """The images of a folder by row: train, then val, then test, each by class and path."""

    files: tuple[Path, ...]
    labels: Labels
    class_names: tuple[str, ...]
    part_sizes: tuple[int, int, int]


def find_folder(lookup: Lookup) -> Found:
    """Finds the images of a photo folder.

    Raises:
        DataError: no such folder, no images, no class folders, or one class.
    """
    if not lookup.argument:
        raise DataError(
            f"dataset 'folder' needs a path: --dataset folder:PATH, where the images lie as {LAYOUT}."
        )
    root = Path(lookup.argument).expanduser()
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"the folder {root} {what}; give --dataset folder:PATH with {LAYOUT}.")
    tree = scan(root, fewest_classes=lookup.fewest_classes)

    def decodable(reading: Reading) -> Decodable:
        from cnnexp.data.photos import Photos, common_channels

        channels = common_channels(tree.files) if reading.color == "auto" else 0
        frame: Frame = reading.frame(DEFAULT_SIZE, channels)
        return Photos(
            frame, tree.labels, tree.class_names, tree.part_sizes, root, tree.files, lookup.progress
        )

    names = tuple(file.relative_to(root).as_posix() for file in tree.files)
    return Found(str(root), decodable, "folder", root, tree.files, names)


def scan(root: Path, *, fewest_classes: int = 2) -> Tree:
    """Lists the images of a folder and tells their classes and parts."""
    by_part = _parts(root)
    classes = {part: _classes(folders) for part, folders in by_part.items()}
    names = sorted(classes["train"])
    _check_classes(root, by_part, classes, fewest=fewest_classes)
    files: list[Path] = []
    labels: list[int] = []
    sizes = []
    for part in ("train", "val", "test"):
        before = len(files)
        for label, name in enumerate(names):
            of_class = classes.get(part, {}).get(name, [])
            files += of_class
            labels += [label] * len(of_class)
        sizes.append(len(files) - before)
    return Tree(tuple(files), np.array(labels, np.int64), tuple(names), (sizes[0], sizes[1], sizes[2]))


def _parts(root: Path) -> dict[str, list[Path]]:
    """Returns the folders of each part: of a plain tree, one part "train" that is the folder itself."""
    folders = [folder for folder in _folders(root) if next(images_below(folder), None) is not None]
    words = [PART_WORDS.get(folder.name.lower()) for folder in folders]
    # A class may be called "train": it is a part only where all its siblings are parts and it holds folders.
    if "train" not in words or None in words:
        return {"train": [root]}
    by_part: dict[str, list[Path]] = {}
    for folder, word in zip(folders, words, strict=True):
        by_part.setdefault(str(word), []).append(folder)
    return by_part if all(_folders(folder) for folder in by_part["train"]) else {"train": [root]}


def _classes(part_folders: list[Path]) -> dict[str, list[Path]]:
    by_class: dict[str, list[Path]] = {}
    for part_folder in part_folders:
        for folder in _folders(part_folder):
            images = sorted(images_below(folder))
            if images:
                by_class.setdefault(folder.name, []).extend(images)
    return by_class


def _check_classes(
    root: Path, by_part: dict[str, list[Path]], classes: dict[str, dict[str, list[Path]]], *, fewest: int
) -> None:
    names = sorted(classes["train"])
    if not names:
        loose = next(images_below(root), None)
        if loose is None:
            raise DataError(
                f"the folder {root} holds no images ({', '.join(sorted(SUFFIXES))}); lay them as {LAYOUT}."
            )
        raise DataError(f"the folder {root} holds images but no class folders; lay them as {LAYOUT}.")
    nested = by_part == {"train": [root]} and len(names) == 1
    inside = nested and any(child.name.lower() in PART_WORDS for child in _folders(root / names[0]))
    if len(names) < fewest or inside:
        hint = f" (or do you mean folder:{root / names[0]}?)" if inside else ""
        raise DataError(
            f"the folder {root} has images of only one class, {names[0]!r}{hint}; "
            f"at least two are needed, laid as {LAYOUT}."
        )
    for part in by_part:
        extra = sorted(set(classes[part]) - set(names))
        if extra:
            raise DataError(
                f"class {extra[0]!r} is in the {part} part of {root} but not in train; "
                "add training images of it, or remove its folder."
            )


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def images_below(folder: Path) -> Iterator[Path]:
    """Yields every image below a folder; links are followed, each real folder once."""
    seen: set[str] = set()
    for where, inner, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        inner[:] = [] if real in seen else [name for name in inner if not name.startswith(".")]
        if real in seen:
            continue
        seen.add(real)
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122 - a million times
                yield Path(where, name)


DATASETS.add(
    "folder",
    DatasetEntry(
        "folder",
        find_folder,
        "Your own photos, one folder a class; train, val and test folders are respected.",
        DEFAULT_SIZE,
        locate=lambda _: None,
        how_to_get="--dataset folder:PATH",
        takes_path=True,
    ),
)
