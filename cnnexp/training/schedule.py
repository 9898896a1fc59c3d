"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from cnnexp.settings.groups import OptimizationSettings

# Of one-cycle (L. Smith, N. Topin, arXiv:1708.07120): PyTorch's own figures for the three.
RISE = 0.3  # share of the run in which the rate rises
START_FACTOR = 1 / 25
END_FACTOR = 1e-4


def learning_rate(
    step: int, settings: OptimizationSettings, *, steps_per_epoch: int, num_steps: int
) -> float:
    """Returns the learning rate of a step.

    Args:
        step: counted from 0 over the whole run.
        settings: lr is the peak; warm-up is linear from zero and multiplies the schedule.
        steps_per_epoch: of the training part.
        num_steps: of the whole run; cosine and one-cycle end there.
    """
    warmup_steps = settings.warmup_epochs * steps_per_epoch
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return settings.lr * warmup * _factor(step, settings, steps_per_epoch, num_steps)


def _factor(step: int, settings: OptimizationSettings, steps_per_epoch: int, num_steps: int) -> float:
    if settings.schedule == "step":
        return float(settings.step_factor ** (step // (settings.step_epochs * steps_per_epoch)))
    if (
        settings.schedule == "cosine"
    ):  # I. Loshchilov, F. Hutter, SGDR, arXiv:1608.03983, equation 5, no restart
        return _between(1.0, 0.0, step / num_steps)
    if settings.schedule == "one-cycle":
        peak = RISE * num_steps - 1
        if step <= peak:
            return _between(START_FACTOR, 1.0, step / peak if peak > 0 else 1.0)
        rest = max(num_steps - 1 - peak, 1.0)
        return _between(1.0, START_FACTOR * END_FACTOR, min(1.0, (step - peak) / rest))
    return 1.0


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine wave from start (share 0) to end (share 1)."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
