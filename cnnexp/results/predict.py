"""Photos of folders and globs -> a table of their classes, written while the photos are read."""

from __future__ import annotations

import csv
import glob
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

from cnnexp.data.dataset import BadImage
from cnnexp.data.folder import SUFFIXES, images_below
from cnnexp.errors import DataError
from cnnexp.progress import Progress, silent
from cnnexp.results.classifier import Classifier

Format = Literal["csv", "json"]


@dataclass(frozen=True, slots=True)
class Row:
    """One photo: its file as it was named, and its most probable classes, the most probable first."""

    file: str
    top: tuple[tuple[str, float], ...]


def find_images(paths: Sequence[str]) -> list[Path]:
    """Returns the files that are meant, each once: files, the images below folders, and what globs match.

    Args:
        paths: a path that exists is taken as it is, whatever signs are in its name.

    Raises:
        DataError: one that does not exist, a glob without matches, or a folder without images.
    """
    return list(dict.fromkeys(file for path in paths for file in _files_of(path)))


def _files_of(path: str) -> Iterator[Path]:
    given = Path(path).expanduser()
    if given.is_dir():
        files = sorted(images_below(given))
        if not files:
            raise DataError(f"the folder {path} holds no images ({', '.join(sorted(SUFFIXES))}).")
        yield from files
    elif os.path.lexists(given):
        yield given
    elif glob.has_magic(path):
        matches = sorted(glob.glob(str(given), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matches:
            raise DataError(f"no file matches {path!r}; give image files, folders of them, or a pattern.")
        for match in map(Path, matches):
            yield from sorted(images_below(match)) if match.is_dir() else [match]
    else:
        raise DataError(f"{path!r} does not exist; give image files, folders of them, or a pattern.")


def predict_files(
    classifier: Classifier, files: Sequence[Path], *, top: int, progress: Progress = silent
) -> Iterator[Row | BadImage]:
    """Yields, in order, the classes of each file, or why it cannot be read.

    Args:
        classifier: of a run.
        files: images, whatever their names.
        top: how many classes of each; at most all.
        progress: called batch by batch.
    """
    for answer in classifier.stream(files):
        best = iter(classifier.named(answer.probabilities).top(top))
        bad = dict(answer.bad)
        for position in range(answer.start, answer.start + answer.size):
            broken = bad.get(position)
            yield broken if broken is not None else Row(_text(files[position]), tuple(next(best)))
        progress("images", answer.start + answer.size, len(files))


def _text(file: Path) -> str:
    """Returns a name that UTF-8 can hold: names on disks are bytes."""
    return os.fsencode(file).decode("utf-8", "replace")


class Writer(Protocol):
    """Writes rows to a stream, one by one: who interrupts it has those before."""

    def write(self, row: Row) -> None:
        """Writes a row; before the first what precedes it."""
        ...

    def end(self) -> None:
        """Writes what follows the last row."""
        ...


class CsvWriter:
    """Columns file, class, probability, then class_2, probability_2 and so on."""

    def __init__(self, stream: TextIO, top: int) -> None:
        self._rows = csv.writer(stream, lineterminator="\n")
        more = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("class", "probability")]
        self._header: list[str] = ["file", "class", "probability", *more]

    def write(self, row: Row) -> None:
        """Writes a row; before the first the header."""
        if self._header:
            self._rows.writerow(self._header)
            self._header = []
        cells = [cell for name, probability in row.top for cell in (name, f"{probability:.6f}")]
        self._rows.writerow([row.file, *cells])

    def end(self) -> None:
        """A table needs no end."""


class JsonWriter:
    """A list of objects: file, class, probability, and where more than one class is asked for, `top`."""

    def __init__(self, stream: TextIO, top: int) -> None:
        self._stream, self._many, self._before = stream, top > 1, "[\n"

    def write(self, row: Row) -> None:
        """Writes an object on a line of its own."""
        top = [{"class": name, "probability": round(probability, 6)} for name, probability in row.top]
        found: dict[str, Any] = {"file": row.file, **top[0]}
        if self._many:
            found["top"] = top
        self._stream.write(self._before + json.dumps(found, ensure_ascii=False))
        self._before = ",\n"

    def end(self) -> None:
        """Closes the list, where it was begun."""
        if self._before != "[\n":
            self._stream.write("\n]\n")


WRITERS: dict[Format, type[CsvWriter] | type[JsonWriter]] = {"csv": CsvWriter, "json": JsonWriter}
