"""What `cnnexp predict` and `cnnexp export` cost, for `scripts/bench_results.py`."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import cnnexp
from cnnexp.data.photo import read_photo
from cnnexp.results.classifier import Classifier, batch_size
from cnnexp.results.export import export
from cnnexp.results.predict import predict_files
from cnnexp.results.real_images import images_of_run
from cnnexp.results.rebuild import rebuild
from cnnexp.results.recorded import find_recorded
from cnnexp.tracking.store import open_store
from scripts.bench_rounds import Ratio, interleaved, ratio, timed

WARM_UP = 1  # a round that is not counted: files come from the disk, libraries choose their kernels


@dataclass(frozen=True, slots=True)
class Case:
    """A network and the photos it is shown."""

    name: str
    photo: tuple[int, int]  # width, height
    count: int
    settings: dict[str, Any]


CASES = (
    Case("decoding is slower", (1280, 960), 150, {"model": "lenet", "image_size": (64, 64)}),
    Case(
        "the pass is slower",
        (160, 120),
        200,
        {"model": "resnet18", "image_size": (128, 128)},
    ),
)


def run_predict(folder: Path, rounds: int) -> list[Ratio]:
    """Photos of a folder, against decoding alone and the forward pass alone: the slower of both counts."""
    found = []
    for case in CASES:
        print(f"{case.name}: {case.count} photos of {case.photo}, {case.settings}", flush=True)
        classifier, photos = _trained(folder / case.name.replace(" ", "-"), case)
        found.append(_throughput(case.name, classifier, photos, rounds))
    return found


def run_export(folder: Path, rounds: int) -> list[Ratio]:
    """One image under onnxruntime, against torch: medians of 100 passes a round."""
    found = []
    for case in CASES:
        classifier, _ = _trained(folder / case.name.replace(" ", "-"), case)
        recorded = find_recorded(open_store(_store(folder / case.name.replace(" ", "-"))), classifier.run_id)
        images, _ = images_of_run(recorded)
        file = folder / f"{case.settings['model']}.onnx"
        times = [
            export(rebuilt, file, form="onnx", images=images).seconds
            for rebuilt in [rebuild(recorded)] * rounds
        ]
        onnx, torchs = [one["onnxruntime"] for one in times], [one["torch"] for one in times]
        name = f"{case.settings['model']}: one image, onnxruntime / torch"
        print(f"  {name}: {1e3 * statistics.median(onnx):.2f} / {1e3 * statistics.median(torchs):.2f} ms")
        found.append(ratio(name, onnx, torchs, at_most=1))
    return found


def _throughput(name: str, classifier: Classifier, photos: list[Path], rounds: int) -> Ratio:
    frame = classifier.frame
    pixels = np.stack([read_photo(photo, frame) for photo in photos])
    size = batch_size(frame, len(photos))
    batches = [
        torch.from_numpy(pixels[at : at + size]).permute(0, 3, 1, 2) for at in range(0, len(pixels), size)
    ]
    module = classifier.module

    def decode() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda photo: read_photo(photo, frame), photos))

    def forward() -> None:
        with torch.inference_mode():
            for batch in batches:
                module(batch)

    def predict() -> None:
        list(predict_files(classifier, photos, top=1))

    parts: dict[str, Callable[[], None]] = {"decoding": decode, "forward pass": forward, "predict": predict}
    measures = {part: timed(work) for part, work in parts.items()}
    for _ in range(WARM_UP):
        for measure in measures.values():
            measure()
    seconds = interleaved(measures, rounds)
    slower = max(("decoding", "forward pass"), key=lambda part: statistics.median(seconds[part]))
    speed = len(photos) / statistics.median(seconds["predict"])
    print(f"  predict: {speed:,.0f} images a second; slower alone: {slower}", flush=True)
    return ratio(f"predict / {slower} alone ({name})", seconds[slower], seconds["predict"], at_least=0.9)


def _store(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def _trained(folder: Path, case: Case) -> tuple[Classifier, list[Path]]:
    """Trains a run of one epoch on photos that are made here, where that is not done yet."""
    photos = _photos(folder / "photos", case)
    if not (folder / "mlflow.db").exists():
        settings: dict[str, Any] = {
            **case.settings,
            **{"dataset": f"folder:{folder / 'photos'}", "epochs": 1, "batch_size": 16, "cache": False},
            **{"figures": "none", "log_model": False},
        }
        cnnexp.train(**settings, tracking_uri=_store(folder))
    return cnnexp.load("last", _store(folder), device="cpu"), photos


def _photos(folder: Path, case: Case) -> list[Path]:
    """Writes JPEG files that are as hard to decode as photos: noise at several scales."""
    random = np.random.default_rng(0)
    width, height = case.photo
    for number in range(case.count):
        file = folder / f"class{number % 2}" / f"{number:04}.jpg"
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        layers = [
            random.integers(0, 256, (height // step, width // step, 3), np.uint8) for step in (4, 16, 80)
        ]
        images = [Image.fromarray(layer).resize(case.photo) for layer in layers]
        Image.blend(Image.blend(images[2], images[1], 0.4), images[0], 0.2).save(file, quality=90)
    return sorted(folder.rglob("*.jpg"))
