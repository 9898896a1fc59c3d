from __future__ import annotations

import pytest
from scipy import stats

from cnnexp.experiment.statistics import Difference, mean_sd, paired_t, spread_of, welch


def test_the_interval_of_a_mean_is_that_of_scipy() -> None:
    values = (0.71, 0.74, 0.70, 0.77)
    found, expected = spread_of(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.text() == "0.730 ± 0.032"


def test_the_interval_of_a_share_ends_at_one() -> None:
    values = (0.99, 0.97, 1.0)
    assert spread_of(values).interval != spread_of(values, share=True).interval
    assert (spread_of(values, share=True).interval or (0, 0))[1] == 1.0


def test_a_single_number_has_no_spread_and_equal_ones_none_to_speak_of() -> None:
    assert (spread_of([0.5]).interval, spread_of([0.5]).text()) == (None, "0.500")
    assert spread_of([0.5, 0.5]).interval == (0.5, 0.5)
    assert mean_sd([]) is None


def test_welch_is_that_of_scipy() -> None:
    first, second = (0.71, 0.74, 0.70, 0.77), (0.66, 0.69, 0.61)
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = welch(first, second)
    assert found.interval == pytest.approx(
        (expected.confidence_interval().low, expected.confidence_interval().high)
    )
    assert found.p == pytest.approx(expected.pvalue)


def test_seeds_without_spread_have_an_interval_of_no_width() -> None:
    found = welch((0.5, 0.5), (0.4, 0.4))
    assert (found.interval, found.p) == ((found.value, found.value), 0.0)
    assert welch((0.5, 0.5), (0.5, 0.5)).p == 1.0


def test_one_number_has_a_difference_but_no_interval() -> None:
    assert welch((0.5,), (0.25, 0.75)) == Difference(0.0)


def test_the_paired_t_test_is_that_of_scipy() -> None:
    first, second = (0.71, 0.74, 0.70), (0.66, 0.69, 0.61)
    expected = stats.ttest_rel(first, second)
    found = paired_t(first, second)
    assert found.interval == pytest.approx(expected.confidence_interval(0.95))
    assert found.p == pytest.approx(expected.pvalue)
    assert paired_t((0.9,), (0.8,)).interval is None
    assert paired_t((0.92, 0.82), (0.9, 0.8)).p is None  # the same but for rounding
