"""Arms compared seed by seed; whether a difference is beyond chance is told for all comparisons together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.experiment.statistics import CONFIDENCE, Difference, paired_t
from cnnexp.results.statistics import corrected


@dataclass(frozen=True, slots=True)
class Compared:
    """Two rows of accuracies, one value a seed each, over the same seeds.

    Attributes:
        text: what was compared, and what each has; the difference follows.
        first, second: aligned; one or more.
    """

    text: str
    first: tuple[float, ...]
    second: tuple[float, ...]


def tell(comparisons: Sequence[Compared]) -> list[str]:
    """Returns a sentence per comparison; p is of the paired t test, corrected for the number of them."""
    found = [paired_t(one.first, one.second) for one in comparisons]
    known = [one.p for one in found if one.p is not None]
    by_rank = iter(corrected(known))
    adjusted = [None if one.p is None else next(by_rank) for one in found]
    return [
        f"{one.text} {_difference(difference, p, seeds=len(one.first), tests=len(known))}."
        for one, difference, p in zip(comparisons, found, adjusted, strict=True)
    ]


def _difference(found: Difference, p: float | None, *, seeds: int, tests: int) -> str:
    points = f"{100 * found.value:+.2f} points"
    if found.interval is None:
        return f"{points}, which one seed cannot tell from chance"
    if p is None:  # few images, few seeds
        return f"{points} in each of {seeds} seeds, which leaves no spread to tell by"
    low, high = found.interval
    span = f"95 % interval over {seeds} seeds {100 * low:+.2f} to {100 * high:+.2f}"
    number = f", corrected for {tests} comparisons" if tests > 1 else ""
    told = "a difference beyond chance" if p < 1 - CONFIDENCE else "within chance"
    return f"{points} ({span}; paired t test, p {p:.2g}{number}): {told}"
