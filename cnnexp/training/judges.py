"""Judges: small pure functions of the history that say whether a run ends after an epoch, and why.

Pure, so that a resumed run is judged exactly as the uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cnnexp.settings.groups import TrainingSettings
from cnnexp.training.events import EpochReport, Outcome, Status, training_seconds

Judge = Callable[[Sequence[EpochReport]], Outcome | None]


def better(report: EpochReport, best: EpochReport | None, monitor: str) -> bool:
    """Tells whether a report beats the best so far; equal accuracy is decided by loss, and the reverse."""
    if not math.isfinite(report.val_loss):
        return False
    return best is None or _rank(report, monitor) > _rank(best, monitor)


def best_of(history: Sequence[EpochReport]) -> EpochReport | None:
    """Returns the best epoch so far, or None where no epoch was finite."""
    return next((report for report in reversed(history) if report.is_best), None)


def standard_judges(settings: TrainingSettings) -> tuple[Judge, ...]:
    """Returns the judges of a run in the order they are asked: the first that speaks decides."""
    judges: list[Judge] = [non_finite_loss]
    if settings.patience is not None:
        judges.append(patience(settings.patience))
    if settings.max_time is not None:
        judges.append(time_limit(settings.max_time))
    return tuple(judges)


def non_finite_loss(history: Sequence[EpochReport]) -> Outcome | None:
    """Fails a run whose loss is nan or infinite: no later epoch can be better."""
    last = history[-1]
    for name, loss in (("training", last.train_loss), ("validation", last.val_loss)):
        if not math.isfinite(loss):
            reason = f"{name} loss became {loss} in epoch {last.epoch}; try a smaller --lr, or --clip-norm 1"
            return Outcome(Status.FAILED, reason)
    return None


def patience(epochs: int) -> Judge:
    """Stops after so many epochs in a row without a better one."""

    def judge(history: Sequence[EpochReport]) -> Outcome | None:
        best = best_of(history)
        waited = history[-1].epoch - (best.epoch if best else 0)
        if waited < epochs:
            return None
        return Outcome(Status.STOPPED_EARLY, f"no better epoch in {waited}; patience is {epochs}")

    return judge


def time_limit(seconds: float) -> Judge:
    """Stops after the epoch in which the time is used up; the epochs of a resumed run are counted in."""

    def judge(history: Sequence[EpochReport]) -> Outcome | None:
        used = training_seconds(history)
        if used < seconds:
            return None
        return Outcome(Status.STOPPED_EARLY, f"time limit of {seconds:g} s reached after {used:.1f} s")

    return judge


def _rank(report: EpochReport, monitor: str) -> tuple[float, float]:
    if monitor == "val/loss":
        return (-report.val_loss, report.val_accuracy)
    return (report.val_accuracy, -report.val_loss)
