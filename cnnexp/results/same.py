"""Whether two runs are the same, bit for bit, and if not, where they part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cnnexp.errors import TrackingError
from cnnexp.results.recorded import Recorded
from cnnexp.training.checkpoint import BEST, LAST, tensors_digest

# In the order in which they come about within an epoch; how long it took is nobody's promise.
NUMBERS = ("lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """Where two runs part first.

    Attributes:
        what: the name of a number (`val_loss`), or `epochs`, `test predictions`, `weights`.
        sentence: both values, and how far they are apart.
        epoch: where it is a number of an epoch.
    """

    what: str
    sentence: str
    epoch: int | None = None


@dataclass(slots=True)
class Sameness:
    """What was compared, and the first difference.

    Attributes:
        compared: in words, such as `3 epochs`.
        left_out: what could not be compared, and why.
        difference: None where all that was compared is the same.
    """

    compared: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    difference: FirstDifference | None = None


def compare_runs(then: Recorded, now: Recorded, *, epochs: int | None = None) -> Sameness:
    """Compares every number of every epoch, the test predictions and the weights.

    Args:
        then: a run.
        now: the run that is to be the same.
        epochs: compare that many epochs and nothing else; None: all there is.
    """
    found = Sameness()
    before, after = then.epochs[:epochs], now.epochs[:epochs]
    found.difference = _of_epochs(before, after)
    found.compared.append(f"{len(before)} epoch{'s' if len(before) > 1 else ''} of {len(NUMBERS)} numbers")
    if epochs is None and found.difference is None:
        found.difference = _of_predictions(then, now, found) or _of_weights(then, now, found)
    return found


def _of_epochs(
    then: Sequence[Mapping[str, float]], now: Sequence[Mapping[str, float]]
) -> FirstDifference | None:
    for before, after in zip(then, now, strict=False):
        for name in NUMBERS:
            was, is_now = before[name], after[name]
            if was != is_now and not (math.isnan(was) and math.isnan(is_now)):
                epoch = int(before["epoch"])
                share = f", {abs(is_now - was) / abs(was):.2g} of it" if was else ""
                sentence = f"epoch {epoch}, {name}: {was!r} then, {is_now!r} now ({is_now - was:+.3g}{share})"
                return FirstDifference(name, sentence, epoch)
    if len(then) != len(now):
        return FirstDifference(
            "epochs", f"{len(then)} epochs then, {len(now)} now; those of both are the same"
        )
    return None


def _of_predictions(then: Recorded, now: Recorded, found: Sameness) -> FirstDifference | None:
    try:
        before = then.predictions
    except TrackingError:
        found.left_out.append("test predictions (the run has none: it did not come so far)")
        return None
    after = now.predictions
    found.compared.append(f"{len(before.labels):,} test predictions")
    if before.images.shape != after.images.shape:
        return FirstDifference(
            "test predictions", f"{len(before.images)} test images then, {len(after.images)} now"
        )
    same = (
        (before.images == after.images)
        & (before.labels == after.labels)
        & (before.predicted == after.predicted)
        & (before.probability == after.probability)
    )
    if same.all():
        return None
    row = int(np.argmin(same))
    return FirstDifference(
        "test predictions",
        f"{int((~same).sum())} of {len(same):,} test predictions, the first of image {before.images[row]}: "
        f"class {before.predicted[row]} with probability {before.probability[row]} then, "
        f"{after.predicted[row]} with {after.probability[row]} now",
    )


def _of_weights(then: Recorded, now: Recorded, found: Sameness) -> FirstDifference | None:
    for name, words in ((BEST, "best weights"), (LAST, "last weights and optimizer state")):
        before, after = _digest(then, name), _digest(now, name)
        if before is None or after is None:
            found.left_out.append(f"{words} (not kept)")
            continue
        found.compared.append(f"the {words}")
        if before != after:
            return FirstDifference("weights", f"the {words} ({Path(name).name}): {before} then, {after} now")
    return None


def _digest(run: Recorded, name: str) -> str | None:
    try:
        return tensors_digest(run.file(name))
    except TrackingError:
        return None
