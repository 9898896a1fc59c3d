"""What photo files are, by their headers: size, format, colour mode; no image is decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cnnexp.data.reading import Labels
from cnnexp.progress import Progress, silent

ORIENTATION = 0x0112  # EXIF's tag; a camera held upright leaves another value than 1
UPRIGHT = (None, 0, 1)
QUARTER_TURNS = (5, 6, 7, 8)
TASK = "reading headers"
_AT_A_TIME = 512


@dataclass(frozen=True, slots=True)
class Header:
    """Of one file; width and height in pixels, as the photo stands once it is turned upright."""

    width: int
    height: int
    format: str
    mode: str
    is_turned: bool
    num_bytes: int
    is_misnamed: bool


@dataclass(frozen=True, slots=True)
class PhotoFiles:
    """Of all files whose header can be read.

    Attributes:
        widths, heights: int64 (M,), in pixels, upright.
        formats, modes: how many files of each, the most frequent first.
        num_bytes: of all files together.
        turned: files that EXIF says to turn.
        misnamed: files whose suffix is that of another format.
    """

    widths: Labels
    heights: Labels
    formats: Counter[str]
    modes: Counter[str]
    num_bytes: int
    turned: int
    misnamed: tuple[Path, ...]


def photo_files(files: Sequence[Path], *, progress: Progress = silent) -> PhotoFiles:
    """Reads the headers of files; those without a readable one are left out."""
    headers: list[Header | None] = []
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="headers") as pool:
        for start in range(0, len(files), _AT_A_TIME):
            headers += pool.map(read_header, files[start : start + _AT_A_TIME])
            progress(TASK, len(headers), len(files))
    read = [header for header in headers if header is not None]
    return PhotoFiles(
        widths=np.array([header.width for header in read], np.int64),
        heights=np.array([header.height for header in read], np.int64),
        formats=Counter(header.format for header in read),
        modes=Counter(header.mode for header in read),
        num_bytes=sum(header.num_bytes for header in read),
        turned=sum(header.is_turned for header in read),
        misnamed=tuple(
            file
            for file, header in zip(files, headers, strict=True)
            if header is not None and header.is_misnamed
        ),
    )


def read_header(file: Path) -> Header | None:
    """Returns what a file's header says; None where it has none that can be read."""
    try:
        with Image.open(file) as image:
            turn = image.getexif().get(ORIENTATION)
            width, height = image.size
            if turn in QUARTER_TURNS:
                width, height = height, width
            kind = (
                "JPEG" if image.format == "MPO" else image.format or "?"
            )  # a phone's JPEG with a second picture
            named = Image.registered_extensions().get(file.suffix.lower())
            return Header(
                width,
                height,
                kind,
                image.mode,
                is_turned=turn not in UPRIGHT,
                num_bytes=file.stat().st_size,
                is_misnamed=named is not None and named != kind,
            )
    except Exception:  # noqa: BLE001, RUF100 - decoding it in full, which comes as well, says what is wrong
        return None
