"""Decoded data sets on disk, so that the next run starts at once.

An entry is a folder: `images.npy`, `labels.npy`, `hashes.npy`, `sums.npy`, `meta.json`; no pickle. It is
written under another name and renamed when whole. Entries are keyed by content; `aliases/`
remembers which content a state of the files (names, sizes, times) had: a hit reads no file of the set.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnexp.cache_folder import RUN_FILES, cache_folder
from cnnexp.data.reading import Pixels
from cnnexp.errors import UserError

LIMIT_VARIABLE = "CNNEXP_CACHE_MAX_GB"
DEFAULT_MAX_GB = 20.0
PARTIAL = ".partial-"
STALE_SECONDS = 86_400.0
ROOM_FOR_THE_REST = 1 << 16  # bytes, for meta.json and headers


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One decoded set on disk."""

    dataset: str
    path: Path
    num_images: int
    num_bytes: int
    last_used: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What the cache holds."""

    folder: Path
    entries: tuple[CacheEntry, ...]
    limit_bytes: int

    @property
    def num_bytes(self) -> int:
        """Bytes of all entries together."""
        return sum(entry.num_bytes for entry in self.entries)


def cache_limit_bytes() -> int:
    """Returns the size limit.

    Raises:
        UserError: CNNEXP_CACHE_MAX_GB is no number.
    """
    text = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_MAX_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < float("inf"):
        raise UserError(f"{LIMIT_VARIABLE} must be a number of gigabytes, 0 or more, not {text!r}.")
    return int(gigabytes * 1e9)


def cache_info() -> CacheInfo:
    """Lists the entries, the least recently used first."""
    folder = cache_folder()
    found = [entry for path in _entry_folders(folder) if (entry := _entry(path)) is not None]
    return CacheInfo(folder, tuple(sorted(found, key=lambda entry: entry.last_used)), cache_limit_bytes())


def clear_cache() -> int:
    """Removes all entries and files of runs; returns how many bytes that freed; who reads one can read on."""
    of_runs = (file.stat().st_size for file in (cache_folder() / RUN_FILES).rglob("*") if file.is_file())
    freed = cache_info().num_bytes + sum(of_runs)
    for name in ("sets", "aliases", RUN_FILES):  # not the locks: a process may hold one
        shutil.rmtree(cache_folder() / name, ignore_errors=True)
    return freed


class Cache:
    """The decoded sets of one folder."""

    def __init__(self, folder: Path) -> None:
        self._sets, self._aliases, self._locks = (folder / name for name in ("sets", "aliases", "locks"))

    def content_of(self, quick_key: str) -> str | None:
        """Returns the content key that these files had when they last looked so."""
        try:
            return (self._aliases / quick_key).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return None

    def remember(self, quick_key: str, content_key: str) -> None:
        """Notes that files that look so have this content."""
        self._aliases.mkdir(parents=True, exist_ok=True)
        partial = self._aliases / f"{PARTIAL}{os.getpid()}"
        partial.write_text(content_key, "ascii")
        partial.replace(self._aliases / quick_key)

    def load(self, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]] | None:
        """Returns an entry's meta data and arrays; None where there is none, or none that can be read.

        Images are mapped copy-on-write: processes share their pages, and no one can change the file.
        """
        folder = self._sets / key
        try:
            meta = json.loads((folder / "meta.json").read_text("utf-8"))
            arrays = {
                name: np.load(
                    folder / f"{name}.npy", mmap_mode="c" if name == "images" else None, allow_pickle=False
                )
                for name in meta["arrays"]
            }
            with contextlib.suppress(OSError):  # a cache one may only read keeps no track of use
                os.utime(folder / "meta.json")
        except (OSError, EOFError, ValueError, KeyError):
            return None
        return meta, arrays

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Only one process at a time decodes a set; the others wait and then find it."""
        from filelock import FileLock

        self._locks.mkdir(parents=True, exist_ok=True)
        with FileLock(self._locks / f"{key}.lock"):
            yield

    def begin(self, key: str, shape: tuple[int, ...] | None) -> Draft:
        """Makes room for an entry; shape is the images' (N, H, W, C), or None where only the rest is kept.

        Raises:
            OSError: the folder cannot be written, or has no room.
        """
        num_bytes = math.prod(shape or (0,)) + ROOM_FOR_THE_REST
        if num_bytes > cache_limit_bytes():
            raise OSError(
                errno.EFBIG, f"the set needs {num_bytes / 1e9:.1f} GB, more than {LIMIT_VARIABLE} allows"
            )
        _evict(self._sets, cache_limit_bytes() - num_bytes, but=key)
        return Draft(self._sets / key, self._sets / f"{PARTIAL}{key}", shape)


class Draft:
    """An entry being written: decode into `images`, then `commit` or `discard`."""

    def __init__(self, goal: Path, partial: Path, shape: tuple[int, ...] | None) -> None:
        self._goal, self._partial = goal, partial
        self.images: Pixels | None = None
        shutil.rmtree(
            partial, ignore_errors=True
        )  # of a process that died; the lock says no one else writes it
        partial.mkdir(parents=True)
        try:
            if shape is not None:
                file = partial / "images.npy"
                self.images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
                _allocate(file)
        except OSError:
            self.discard()
            raise

    def commit(self, meta: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """Writes the rest and gives the entry its name.

        Raises:
            OSError: the disk is full or away; call `discard` then.
        """
        if isinstance(self.images, np.memmap):
            self.images.flush()
        for name, array in arrays.items():
            np.save(self._partial / f"{name}.npy", array, allow_pickle=False)
        names = [*arrays, *(["images"] if self.images is not None else [])]
        meta = {**meta, "arrays": names}
        (self._partial / "meta.json").write_text(json.dumps(meta, indent=1), "utf-8")
        shutil.rmtree(self._goal, ignore_errors=True)  # one that could not be read
        self._partial.replace(self._goal)

    def discard(self) -> None:
        """Removes what was written; `images` stays usable where the system keeps mapped files alive."""
        shutil.rmtree(self._partial, ignore_errors=True)


def _allocate(file: Path) -> None:
    """Takes the disk space now: writing into a map of a full disk would kill the process with SIGBUS."""
    size = file.stat().st_size
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, size)
    elif shutil.disk_usage(file.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _evict(sets: Path, room: int, *, but: str) -> None:
    """Removes the least recently used entries until the others fill no more than `room`."""
    for path in sets.glob(f"{PARTIAL}*"):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    entries = [entry for path in _entry_folders(sets.parent) if path.name != but and (entry := _entry(path))]
    filled = sum(entry.num_bytes for entry in entries)
    for entry in sorted(entries, key=lambda entry: entry.last_used):
        if filled <= room:
            return
        shutil.rmtree(entry.path, ignore_errors=True)
        filled -= entry.num_bytes


def _entry_folders(folder: Path) -> list[Path]:
    sets = folder / "sets"
    return [path for path in sets.iterdir() if not path.name.startswith(".")] if sets.is_dir() else []


def _entry(path: Path) -> CacheEntry | None:
    try:
        meta_file = path / "meta.json"
        meta = json.loads(meta_file.read_text("utf-8"))
        num_bytes = sum(file.stat().st_size for file in path.iterdir())
        return CacheEntry(meta["dataset"], path, meta["num_images"], num_bytes, meta_file.stat().st_mtime)
    except (OSError, ValueError, KeyError):
        return None  # being removed by another process, or torn by a crash of the machine
