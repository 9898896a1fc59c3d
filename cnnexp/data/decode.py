"""Brings a found set into memory: from the cache, else decoded, into the cache's file where that works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from cnnexp.cache_folder import cache_folder
from cnnexp.data.cache import Cache, Draft
from cnnexp.data.dataset import BadImage, ImageSource, MemorySource
from cnnexp.data.fingerprint import content_key, quick_key
from cnnexp.data.reading import ClassCheck, Decodable, Found, Frame, Labels, Pixels, Reading
from cnnexp.data.survey import Survey
from cnnexp.progress import Progress

TASK = "decoding"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A set ready to be split; rows are in the order train, val, test."""

    source: ImageSource
    survey: Survey
    labels: Labels
    frame: Frame
    class_names: tuple[str, ...]
    part_sizes: tuple[int, int, int]
    bad: tuple[tuple[int, BadImage], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Job:
    """One set to be decoded, and what it may cost."""

    name: str
    found: Found
    reading: Reading
    budget_bytes: int
    check_classes: ClassCheck
    progress: Progress

    def fits(self, num_images: int, frame: Frame) -> bool:
        return num_images * frame.num_bytes <= self.budget_bytes


def decode(
    name: str,
    found: Found,
    reading: Reading,
    *,
    budget_bytes: int,
    use_cache: bool,
    check_classes: ClassCheck,
    progress: Progress,
) -> Decoded:
    """Decodes a set, or takes it from the cache.

    Args:
        name: the set's, as the user gave it.
        found: where it is.
        reading: how its images are read.
        budget_bytes: what decodes to more is not kept in memory: its source decodes at every reading.
        use_cache: False leaves the cache alone.
        check_classes: asked before the first image is decoded.
        progress: called as images are decoded.
    """
    job = _Job(name, found, reading, budget_bytes, check_classes, progress)
    if not (use_cache and found.cacheable):
        return _decode_into(job, None)
    cache, quick = Cache(cache_folder()), quick_key(found, reading)
    known = cache.content_of(quick)
    content = known or content_key(found, reading)
    hit = _cached(cache, content, job)
    if hit is None:
        hit = _decode_once(cache, content, job)
    if known is None:
        with contextlib.suppress(OSError):  # costs the next run a second look at the files, no more
            cache.remember(quick, content)
    return hit


def _decode_once(cache: Cache, content: str, job: _Job) -> Decoded:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(cache.locked(content))
        except (OSError, NotImplementedError) as error:
            return _decode_into(job, None, note=_not_kept(error))
        return _cached(cache, content, job) or _decode_into(job, cache, content)


def _cached(cache: Cache, content: str, job: _Job) -> Decoded | None:
    for key in (content, _streamed(content)):
        entry = cache.load(key)
        if entry is None:
            continue
        meta, arrays = entry
        images = arrays.get("images")
        job.check_classes(tuple(meta["class_names"]))
        frame = Frame(**meta["frame"])
        if job.fits(meta["num_images"], frame) != (images is not None):
            continue  # the budget is another one now
        return Decoded(
            source=_source(images, arrays["labels"], job),
            survey=Survey(arrays["hashes"], arrays["sums"]),
            labels=arrays["labels"],
            frame=frame,
            class_names=tuple(meta["class_names"]),
            part_sizes=tuple(meta["part_sizes"]),
            bad=tuple((row, BadImage(path, reason)) for row, path, reason in meta["bad"]),
        )
    return None


def _decode_into(job: _Job, cache: Cache | None, content: str = "", *, note: str = "") -> Decoded:
    decodable = job.found.open(job.reading)
    job.check_classes(decodable.class_names)
    frame, count = decodable.frame, len(decodable.labels)
    held = None if job.found.cacheable else decodable.held()
    fits = held is None and job.fits(count, frame)
    shape = (count, frame.height, frame.width, frame.channels) if fits else None
    draft: Draft | None = None
    key = content if fits else _streamed(content)
    if cache is not None:
        try:
            draft = cache.begin(key, shape)
        except OSError as error:
            note = _not_kept(error)
    images = draft.images if draft is not None else np.empty(shape, np.uint8) if shape is not None else None
    with _discarded_on_failure(draft):
        survey, bad = _decode_all(decodable, images, job.progress)
    if cache is not None and draft is not None:
        try:
            draft.commit(_meta(job.name, decodable, bad), _arrays(decodable.labels, survey))
        except OSError as error:
            draft.discard()
            note = _not_kept(error)
        else:
            del images  # the map that was written; the one below shares its pages with other processes
            entry = _cached(cache, content, job)
            if entry is not None:
                return entry
            images = draft.images
    return Decoded(
        source=held or (_source(images, decodable.labels, job) if fits else decodable.stream()),
        survey=survey,
        labels=decodable.labels,
        frame=frame,
        class_names=decodable.class_names,
        part_sizes=decodable.part_sizes,
        bad=tuple(bad),
        notes=(note,) if note else (),
    )


def _decode_all(
    decodable: Decodable, images: Pixels | None, progress: Progress
) -> tuple[Survey, list[tuple[int, BadImage]]]:
    """Decodes every image into `images` (nowhere if None) and looks at it once."""
    survey, count = Survey.empty(len(decodable.labels), decodable.frame.channels), len(decodable.labels)
    bad: list[tuple[int, BadImage]] = []
    for block in decodable.blocks():
        end = block.start + len(block.images)
        if images is not None:
            images[block.start : end] = block.images
        survey.add(block)
        bad += block.bad
        progress(TASK, end, count)
    return survey, bad


def _source(images: np.ndarray[Any, Any] | None, labels: Labels, job: _Job) -> ImageSource:
    if images is None:
        return job.found.open(job.reading).stream()
    return MemorySource(torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2), torch.from_numpy(labels))


def _streamed(content: str) -> str:
    return f"{content}.streamed"


def _meta(name: str, decodable: Decodable, bad: list[tuple[int, BadImage]]) -> dict[str, Any]:
    return {
        "dataset": name,
        "num_images": len(decodable.labels),
        "frame": asdict(decodable.frame),
        "class_names": decodable.class_names,
        "part_sizes": decodable.part_sizes,
        "bad": [[row, image.path, image.reason] for row, image in bad],
    }


def _arrays(labels: Labels, survey: Survey) -> dict[str, np.ndarray[Any, Any]]:
    return {"labels": labels, "hashes": survey.hashes, "sums": survey.sums}


def _not_kept(error: Exception) -> str:
    return (
        f"Decoded images are not kept for the next run: {cache_folder()} cannot be used ({error}); "
        "CNNEXP_CACHE_DIR names another folder, CNNEXP_CACHE_MAX_GB another limit, --no-cache goes without."
    )


@contextlib.contextmanager
def _discarded_on_failure(draft: Draft | None) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if draft is not None:
            draft.discard()
        raise
