"""Two classifiers on the same test images: which is better there, beyond chance. scipy does the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.experiment.statistics import CONFIDENCE

Shares = NDArray[np.float64]
_RESAMPLES = 9_999  # of one pair; of many fewer each, for time
_FEWEST_RESAMPLES = 1_000
_DRAWN_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference of two accuracies on the same images.

    Attributes:
        num_images: of the test part.
        only_first, only_second: images that the one has right and the other wrong; of several runs, images
            that more of the one's have right.
        difference: first minus second, in [-1, 1].
        interval: 95 %, by a bootstrap over the images.
        p: of McNemar's exact test; None where one of the two is several runs.
    """

    num_images: int
    only_first: int
    only_second: int
    difference: float
    interval: tuple[float, float]
    p: float | None


def paired(pairs: Sequence[tuple[Shares, Shares]]) -> list[Paired]:
    """Compares two classifiers, or groups of them, image by image; several such pairs at once.

    Args:
        pairs: of two float64 (N,), in [0, 1]: the share of a group's runs that have the image right.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions (1947).
    """
    differences = [first - second for first, second in pairs]
    intervals = bootstrap_intervals(differences)
    found = []
    for (first, second), difference, interval in zip(pairs, differences, intervals, strict=True):
        ahead, behind = int((difference > 0).sum()), int((difference < 0).sum())
        is_single = bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all())
        found.append(
            Paired(
                num_images=len(difference),
                only_first=ahead,
                only_second=behind,
                difference=float(difference.mean()),
                interval=interval,
                p=mcnemar(ahead, behind) if is_single else None,
            )
        )
    return found


def mcnemar(only_first: int, only_second: int) -> float:
    """Returns p of the hypothesis that a discordant image is as likely to favour either classifier."""
    if only_first + only_second == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_first, only_first + only_second).pvalue)


def bootstrap_intervals(differences: Sequence[Shares]) -> list[tuple[float, float]]:
    """Returns 95 % intervals of means over images: all classifiers are resampled on the same images.

    Args:
        differences: float64 (N,) each, of one N.
    """
    intervals = [(float(one[0]), float(one[0])) for one in differences]  # of one that is the same everywhere
    varied = [place for place, one in enumerate(differences) if np.ptp(one) > 0]
    if not varied:
        return intervals
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.array([differences[place] for place in varied], dtype=np.float32),),  # half the time of float64
        np.mean,
        axis=-1,
        confidence_level=CONFIDENCE,
        n_resamples=max(_FEWEST_RESAMPLES, _RESAMPLES // len(varied)),
        batch=max(1, _DRAWN_AT_ONCE // len(varied)),
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    for place, low, high in zip(varied, found.low, found.high, strict=True):
        intervals[place] = float(low), float(high)
    return intervals


def corrected(p_values: Sequence[float]) -> list[float]:
    """Returns p-values corrected for their number; pairs share runs and images, so for any dependence.

    Source: Y. Benjamini, D. Yekutieli, The control of the false discovery rate under dependency (2001).
    """
    if len(p_values) < 2:  # noqa: PLR2004 - one alone needs no correction
        return list(p_values)
    from scipy.stats import false_discovery_control

    return [float(p) for p in false_discovery_control(p_values, method="by")]
