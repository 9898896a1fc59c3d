"""Downloads files with checksums from mirrors, tried in turn; a partial file never counts as a whole one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnexp.errors import DataError
from cnnexp.progress import Progress, silent

CHUNK_BYTES = 1 << 14  # small, so that a slow mirror is noticed soon


@dataclass(frozen=True, slots=True)
class Resource:
    """A file by name and MD5 checksum (that of its publishers: it guards against damage, not malice)."""

    name: str
    md5: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a mirror may keep us waiting: seconds, and the speed below which another one is tried."""

    connect_seconds: float = 5.0
    read_seconds: float = 15.0
    slow_bytes_per_second: float = 50_000.0
    slow_after_seconds: float = 10.0


PATIENCE = Patience()


class _MirrorError(Exception):
    """One mirror did not give the file; the next one may."""


def fetch(
    dataset: str,
    resources: Sequence[Resource],
    mirrors: Sequence[str],
    folder: Path,
    *,
    ways: str,
    progress: Progress = silent,
) -> None:
    """Brings every file into the folder, each from the first mirror that gives it whole.

    Args:
        dataset: for messages.
        resources: what to bring; files already there with the right checksum are kept.
        mirrors: addresses that end before the file's name.
        folder: made where missing.
        ways: the other ways to get the set, for the message.
        progress: called with bytes.

    Raises:
        DataError: no mirror gives a file, or the folder cannot be written.
    """
    good = list(mirrors)
    for resource in resources:
        goal = folder / resource.name
        if goal.is_file() and _md5(goal) == resource.md5:
            continue
        mirror, faults = _from_any(good, goal, resource.md5, progress)
        if mirror is None:
            raise DataError(
                f"dataset {dataset!r} is not on this machine, and {resource.name} cannot be downloaded "
                f"({'; '.join(faults)}); go online, or {ways}."
            )
        good = [mirror, *(other for other in good if other != mirror)]  # what worked is asked first


def _from_any(
    mirrors: Sequence[str], goal: Path, md5: str, progress: Progress
) -> tuple[str | None, list[str]]:
    """Returns the first mirror that gave the file, or None, and what was wrong with those before it."""
    faults: list[str] = []
    for number, mirror in enumerate(mirrors, start=1):
        try:
            _download(mirror + goal.name, goal, md5, progress, is_last=number == len(mirrors))
        except _MirrorError as error:
            faults.append(f"{mirror}: {error}")
        else:
            return mirror, faults
    return None, faults


def _download(url: str, goal: Path, md5: str, progress: Progress, *, is_last: bool) -> None:
    partial = goal.with_name(f".{goal.name}.{os.getpid()}.part")
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        digest = _transfer(url, partial, progress, is_last=is_last)
        if digest != md5:
            raise _MirrorError(f"wrong checksum {digest}, not {md5}")
        partial.replace(goal)
    except OSError as error:
        raise DataError(
            f"cannot write {goal} ({error.strerror or error}); give --data-dir a folder with room."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # the folder could not even be made
            partial.unlink(missing_ok=True)


def _transfer(url: str, partial: Path, progress: Progress, *, is_last: bool) -> str:
    """Writes what the address gives and returns its MD5."""
    import requests

    timeout = (PATIENCE.connect_seconds, PATIENCE.read_seconds)
    try:
        with requests.get(url, stream=True, timeout=timeout) as response:
            response.raise_for_status()
            total = int(response.headers.get("Content-Length") or 0)
            chunks = response.iter_content(CHUNK_BYTES)
            task = f"downloading {url.rpartition('/')[2]}"
            return _write(
                chunks if is_last else _fast_enough(chunks), partial, lambda done: progress(task, done, total)
            )
    except requests.HTTPError as error:
        raise _MirrorError(f"answers {error.response.status_code}") from error
    except requests.RequestException as error:
        raise _MirrorError(f"away ({type(error).__name__})") from error


def _write(chunks: Iterable[bytes], partial: Path, report: Callable[[int], None]) -> str:
    md5, done = hashlib.md5(usedforsecurity=False), 0
    with partial.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            md5.update(chunk)
            done += len(chunk)
            report(done)
    return md5.hexdigest()


def _fast_enough(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Passes chunks on while they come fast enough, measured over one window of time after another."""
    start, num_bytes = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        num_bytes += len(chunk)
        seconds = time.monotonic() - start
        if seconds < PATIENCE.slow_after_seconds:
            continue
        if num_bytes < PATIENCE.slow_bytes_per_second * seconds:
            raise _MirrorError(f"slow, {num_bytes / seconds / 1000:.0f} kB/s")
        start, num_bytes = time.monotonic(), 0


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
