"""What training on a set adds to a process: prints the highest growth of its resident memory as JSON.

The process first trains on a small set of the same shape, so that libraries, threads and buffers are there.
Then a thread reads the resident set every 5 ms (psutil; on Linux touched pages of mapped files count).
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

import cnnexp
from scripts.bench_plugin import random_images

INTERVAL_SECONDS = 0.005
IMAGE_SIZE = 96  # of photos: enlarged from 8×8 files that are written in seconds
PHOTO_BYTES = 3 * IMAGE_SIZE**2
ARRAY_BYTES = 3 * 32 * 32
SET_BYTES = 400_000_000
COMMON = {"model": "lenet", "epochs": 1, "batch_size": 64, "figures": "none", "log_model": False}


def write_folders(folder: Path, fraction: float) -> None:
    """Writes the photo folders `small` and `large`, two classes each."""
    random = np.random.default_rng(0)
    for name, count in (("small", 200), ("large", round(fraction * SET_BYTES / PHOTO_BYTES))):
        for row in range(count):
            photo = folder / name / f"class{row % 2}" / f"{row:05}.png"
            photo.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(photo)


def highest_growth(work: Callable[[], object]) -> int:
    """Returns by how many bytes the resident set exceeded what it was before, at most."""
    process, done = psutil.Process(), threading.Event()
    before = highest = process.memory_info().rss

    def watch() -> None:
        nonlocal highest
        while not done.wait(INTERVAL_SECONDS):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return highest - before


def main(kind: str, folder: Path, fraction: float) -> None:
    """Trains on the small set, then on the large one."""
    set_bytes = round(SET_BYTES * fraction)
    settings: dict[str, Any] = dict(COMMON)
    if kind == "arrays":
        sets = {"bench-small": 1_000, "bench-large": set_bytes // ARRAY_BYTES}
        for name, count in sets.items():
            cnnexp.register_dataset(name)(lambda _, n=count: random_images(n * 4 // 5, n // 5))
        small, large = sets
    else:
        settings["image_size"] = IMAGE_SIZE
        small, large = f"folder:{folder / 'small'}", f"folder:{folder / 'large'}"
    cnnexp.train(**settings, dataset=small)
    added = highest_growth(lambda: cnnexp.train(**settings, dataset=large))
    print(json.dumps({"added_bytes": added, "set_bytes": set_bytes}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
