"""Keys of decoded sets: a quick one from what files look like, a sure one from what they hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from cnnexp.data.reading import Found, Reading

FORMAT = 1  # of the entries and of decoding: raise it when either changes


def quick_key(found: Found, reading: Reading) -> str:
    """Returns a key over name, size and time of every file, and the options; reads no file."""
    return _key(found, reading, _look)


def content_key(found: Found, reading: Reading) -> str:
    """Returns a key over name and content of every file, and the options."""
    return _key(found, reading, _content)


def _key(found: Found, reading: Reading, tell: Callable[[Path], object]) -> str:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing lets go of the interpreter
        told = list(pool.map(tell, found.files)) if tell is _content else list(map(tell, found.files))
    files = [
        [file.relative_to(found.root).as_posix(), what] for file, what in zip(found.files, told, strict=True)
    ]
    text = json.dumps([FORMAT, found.identity, asdict(reading), files])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _look(file: Path) -> object:
    try:
        status = file.stat()
    except OSError:
        return None  # a link to nowhere: decoding will list it
    # Archives give many files one time: the inode and its change time tell two folders apart.
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _content(file: Path) -> object:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
