"""Runs as they would have been recorded, without training them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import numpy as np

from cnnexp.results.groups import RunGroup
from cnnexp.results.recorded import DataFacts, Predictions, Recorded
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import Store

NO_STORE = cast("Store", None)
CLASSES = ("cat", "dog")


def made_run(
    wrong: Sequence[int],
    *,
    images: int = 400,
    seed: int = 0,
    digest: str = "sha256:aa",
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, object] | None = None,
    **settings: Any,
) -> Recorded:
    """Returns a run that has all test images right but some.

    Args:
        wrong: positions of images.
        images: in the test part.
        seed: its param.
        digest: of its data.
        tags: further ones.
        params: further ones.
        **settings: likewise.
    """
    params = {**(params or {}), **settings}
    labels = np.arange(images) % 2
    predicted = labels.copy()
    predicted[list(wrong)] ^= 1
    accuracy = float((predicted == labels).mean())
    row = RunRow(
        run_id=f"{abs(hash((tuple(wrong), seed, digest, str(params)))):032x}"[:32],
        name=f"{params.get('model', 'run')}-{seed}",
        experiment="e",
        status="FINISHED",
        outcome="completed",
        reason="",
        started=datetime(2026, 1, 1).astimezone(),
        seconds=3.0,
        metrics={"test/accuracy": accuracy, "best/val_accuracy": accuracy, "test/loss": 1.0},
        params={"seed": str(seed), **{name: str(value) for name, value in params.items()}},
        tags={"kind": "run", **(tags or {})},
    )
    recorded = Recorded(NO_STORE, row)
    data = DataFacts("made", digest, CLASSES, (1, 8, 8), {"test": images}, {}, (0.5,), (0.5,))
    found: Mapping[str, object] = {
        "predictions": Predictions(np.arange(images), labels, predicted, np.full(images, 0.9)),
        "data": data,
    }
    recorded.__dict__.update(found)
    return recorded


def made_group(label: str, num_wrong: Sequence[int], **params: Any) -> RunGroup:
    """Returns runs that differ in the seed: each has so many of the first images wrong."""
    runs = [made_run(range(count), seed=seed, model=label, **params) for seed, count in enumerate(num_wrong)]
    return RunGroup(label, tuple(runs))
