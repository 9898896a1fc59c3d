"""Tests on the same images are scipy's, and claim nothing where nothing differs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cnnexp.results.statistics import bootstrap_intervals, corrected, mcnemar, paired

IMAGES = 200


def right(*wrong: int) -> np.ndarray:
    found = np.ones(IMAGES)
    found[list(wrong)] = 0
    return found


def test_mcnemar_is_the_binomial_test_of_the_discordant_images() -> None:
    (found,) = paired([(right(*range(5)), right(*range(3, 30)))])
    assert (found.only_first, found.only_second) == (25, 3)
    assert found.p == stats.binomtest(25, 28).pvalue
    assert found.difference == pytest.approx(22 / IMAGES)
    low, high = found.interval
    assert low < 22 / IMAGES < high


def test_classifiers_that_agree_cannot_be_told_apart() -> None:
    (found,) = paired([(right(1, 2), right(1, 2))])
    assert (found.p, found.difference, found.interval) == (1.0, 0.0, (0.0, 0.0))
    assert mcnemar(0, 0) == 1.0


def test_shares_of_several_runs_have_an_interval_but_no_test_of_single_images() -> None:
    (found,) = paired([((right(1) + right(2)) / 2, right(*range(40)))])
    assert found.p is None
    assert found.interval[0] > 0


def test_the_bootstrap_interval_is_near_that_of_the_normal_distribution() -> None:
    difference = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], size=2000, p=[0.1, 0.7, 0.2])
    ((low, high),) = bootstrap_intervals([difference])
    half = 1.96 * difference.std() / np.sqrt(len(difference))
    assert (low, high) == pytest.approx((difference.mean() - half, difference.mean() + half), abs=0.003)


def test_pairs_resampled_together_have_each_their_own_interval() -> None:
    pairs = [(right(), right(*range(count))) for count in (10, 0, 60)]
    found = paired(pairs)
    assert [one.interval[0] <= one.difference <= one.interval[1] for one in found] == [True] * 3
    assert found[1].interval == (0.0, 0.0)
    assert found[0].interval[1] < found[2].interval[0]


def test_many_p_are_corrected_and_one_alone_is_not() -> None:
    p_values = [0.01, 0.02, 0.2]
    assert corrected(p_values) == list(stats.false_discovery_control(p_values, method="by"))
    assert corrected([0.04]) == [0.04]
    assert corrected([]) == []
