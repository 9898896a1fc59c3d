"""What several trainings with different seeds can tell: a mean with its spread, the difference of two.

Numbers only; scipy does the tests. It is imported where it is used, for its import takes a second.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

CONFIDENCE = 0.95
_ROUNDING = 1e-9  # differences that are so near to each other are the same


@dataclass(frozen=True, slots=True)
class Spread:
    """Numbers of one kind, one a seed.

    Attributes:
        values: in the order they were given.
        mean: of them.
        sd: sample standard deviation; None for a single one.
        interval: 95 % t interval of the mean; None for a single one.
    """

    values: tuple[float, ...]
    mean: float
    sd: float | None
    interval: tuple[float, float] | None

    def text(self, factor: float = 1.0, digits: int = 3) -> str:
        """Returns `0.873 ± 0.004`, without the sd where there is none."""
        found = f"{factor * self.mean:.{digits}f}"
        return found if self.sd is None else f"{found} ± {factor * self.sd:.{digits}f}"


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two means.

    Attributes:
        value: first minus second.
        interval: 95 %, by the t test that was made; None where numbers are too few.
        p: of the hypothesis that it is zero; None where it cannot be told.
    """

    value: float
    interval: tuple[float, float] | None = None
    p: float | None = None


def spread_of(values: Sequence[float], *, share: bool = False) -> Spread:
    """Returns mean, sd and 95 % t interval of one number or more.

    The t interval of two or three seeds is so wide that it may reach where no mean can lie: below nothing, or
    above all. It is cut there, which takes no possible value out of it.

    Args:
        values: one a seed, none negative: accuracies, losses, seconds, counts.
        share: they lie in [0, 1].
    """
    found = mean_sd(values)
    assert found is not None, "no values"
    mean, sd = found
    if sd is None or sd == 0:
        return Spread(tuple(values), mean, sd, None if sd is None else (mean, mean))
    from scipy.stats import t

    low, high = t.interval(CONFIDENCE, len(values) - 1, loc=mean, scale=sd / math.sqrt(len(values)))
    low, high = max(0.0, float(low)), min(1.0 if share else math.inf, float(high))
    return Spread(tuple(values), mean, sd, (low, high))


def mean_sd(values: Sequence[float]) -> tuple[float, float | None] | None:
    """Returns mean and sample standard deviation; no sd for one value, None for none."""
    if not values:
        return None
    return fmean(values), stdev(values) if len(values) > 1 else None


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Returns the difference of two means with its 95 % interval and p.

    Source: B. L. Welch, The generalization of "Student's" problem (1947).
    """
    difference = fmean(first) - fmean(second)
    if min(len(first), len(second)) < 2:  # noqa: PLR2004 - a spread needs two
        return Difference(difference)
    if len({*first}) == len({*second}) == 1:  # no spread at all: scipy would divide by it
        return Difference(difference, (difference, difference), float(difference == 0))
    from scipy.stats import ttest_ind

    with (
        warnings.catch_warnings()
    ):  # one of the two may have no spread: exact enough, scipy warns all the same
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        found = ttest_ind(first, second, equal_var=False)
    interval = found.confidence_interval(CONFIDENCE)
    return Difference(difference, (float(interval.low), float(interval.high)), float(found.pvalue))


def paired_t(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Returns the mean difference of pairs with its 95 % interval and p, by Student's paired t test.

    One pair tells neither; of pairs that differ all alike there is no spread, and no p.
    """
    differences = [one - other for one, other in zip(first, second, strict=True)]
    value = fmean(differences)
    if len(differences) < 2:  # noqa: PLR2004 - a spread needs two
        return Difference(value)
    if max(differences) - min(differences) < _ROUNDING:
        return Difference(value, (value, value))
    from scipy.stats import ttest_rel

    found = ttest_rel(first, second)
    interval = found.confidence_interval(CONFIDENCE)
    return Difference(value, (float(interval.low), float(interval.high)), float(found.pvalue))
