"""Two classifiers on the same test images: which is better there, beyond chance. scipy does the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.experiment.statistics import CONFIDENCE

Shares = NDArray[np.float64]
_RESAMPLES = 9_999  # of one comparison; many share as many draws, for each takes a second on 10,000 images
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


def paired(first: Shares, second: Shares, *, comparisons: int = 1) -> Paired:
    """Compares two classifiers, or groups of them, image by image.

    Args:
        first: float64 (N,), in [0, 1]: the share of the group's runs that have the image right.
        second: likewise.
        comparisons: how many such calls are made in all: the more, the fewer resamples each.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions (1947).
    """
    difference = first - second
    ahead, behind = int((difference > 0).sum()), int((difference < 0).sum())
    is_single = bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all())
    return Paired(
        num_images=len(first),
        only_first=ahead,
        only_second=behind,
        difference=float(difference.mean()),
        interval=bootstrap_interval(difference, comparisons=comparisons),
        p=mcnemar(ahead, behind) if is_single else None,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Returns p of the hypothesis that a discordant image is as likely to favour either classifier."""
    if only_first + only_second == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_first, only_first + only_second).pvalue)


def bootstrap_interval(difference: Shares, *, comparisons: int = 1) -> tuple[float, float]:
    """Returns the 95 % interval of a mean over images: both classifiers are resampled on the same images."""
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    from scipy.stats import bootstrap

    found = bootstrap(
        (difference,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=max(_FEWEST_RESAMPLES, _RESAMPLES // comparisons),
        batch=_DRAWN_AT_ONCE,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def corrected(p_values: Sequence[float]) -> list[float]:
    """Returns p-values corrected for their number; pairs share runs and images, so for any dependence.

    Source: Y. Benjamini, D. Yekutieli, The control of the false discovery rate under dependency (2001).
    """
    if len(p_values) < 2:  # noqa: PLR2004 - one alone needs no correction
        return list(p_values)
    from scipy.stats import false_discovery_control

    return [float(p) for p in false_discovery_control(p_values, method="by")]
