from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from cnnexp.settings import Choice, FloatRange, IntRange, SearchRange
from cnnexp.tuning.ranges import as_text, distribution, drawn, nearest, parse_range, values_of


@pytest.mark.parametrize(
    ("text", "kind", "meant"),
    [
        ("1e-4..1e-1:log", float, FloatRange(1e-4, 1e-1, log=True)),
        ("0..0.5", float, FloatRange(0.0, 0.5)),
        ("0.001,0.01", float, Choice((0.001, 0.01))),
        ("1..4", int, IntRange(1, 4)),
        ("16..64:16", int, IntRange(16, 64, step=16)),
        ("16..256:log2", int, IntRange(16, 256, log2=True)),
        ("3, 5 ,7", int, Choice((3, 5, 7))),
        ("1e2,2e2", int, Choice((100, 200))),
        ("true,FALSE", bool, Choice((True, False))),
        ("none,0.5", float, Choice((None, 0.5))),
        ("adam,sgd", str, Choice(("adam", "sgd"))),
        ([3, 5, 7], int, Choice((3, 5, 7))),
        ((False, True), bool, Choice((False, True))),
    ],
)
def test_a_text_or_a_list_means_a_range(text: object, kind: type, meant: SearchRange) -> None:
    found = parse_range(text, kind)
    assert found == meant
    if isinstance(found, Choice) and isinstance(meant, Choice):
        assert [type(one) for one in found.values] == [type(one) for one in meant.values]


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("1e-1..1e-4:log", float, "low < high, not 0.1..0.0001"),
        ("4..4", int, "low < high, not 4..4"),
        ("0..1:log", float, "low > 0, not 0"),
        ("-1..1:log", float, "low > 0, not -1"),
        ("a..b", float, "'a' is not a number"),
        ("1..", int, "'' is not a number"),
        ("1.5..4", int, "'1.5' is not a whole number"),
        ("0..inf", float, "'inf' is not a finite number"),
        ("nan,1", float, "'nan' is not a finite number"),
        ("0.01", float, "is one value, not a range"),
        ("3,3", int, "names a value twice"),
        ("1..4:0", int, "a step is at least 1"),
        ("1..4:banana", int, "banana"),
        ("0..1:0.1", float, "0.1"),
        ("0..4:log2", int, "start at 1 or more"),
        ("adam..sgd", str, "has no order"),
        ("true,maybe", bool, "'maybe' is not true or false"),
    ],
)
def test_what_cannot_be_a_range_is_said_in_a_sentence(text: str, kind: type, says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its sentence is looked at below
        parse_range(text, kind)
    sentence = str(caught.value)
    assert says in sentence
    assert sentence.endswith((".", "a,b,c."))
    assert "\n" not in sentence


FLOATS = st.floats(1e-6, 1e6).map(lambda value: float(f"{value:.4g}"))
RANGES: st.SearchStrategy[SearchRange] = st.one_of(
    st.builds(
        lambda low, factor, log: FloatRange(low, float(f"{low * factor:.4g}"), log=log),
        FLOATS,
        st.floats(1.5, 1000),
        st.booleans(),
    ),
    st.builds(
        lambda low, width, step: IntRange(low, low + width, step=step),
        st.integers(-50, 50),
        st.integers(1, 50),
        st.integers(1, 7),
    ),
    st.builds(
        lambda low, powers: IntRange(low, low * 2**powers, log2=True), st.integers(1, 7), st.integers(1, 12)
    ),
    st.lists(st.integers(-9, 9), min_size=2, max_size=6, unique=True).map(lambda one: Choice(tuple(one))),
)


def kind_of(one: SearchRange) -> type:
    return float if isinstance(one, FloatRange) else int


@given(RANGES)
def test_a_range_is_read_back_from_its_text(one: SearchRange) -> None:
    assert parse_range(as_text(one), kind_of(one)) == one


@given(RANGES, st.integers(0, 2**32 - 1))
def test_what_is_drawn_is_in_the_range_and_in_its_distribution(one: SearchRange, seed: int) -> None:
    value = drawn(one, np.random.default_rng(seed))
    of_one = distribution(one)
    assert of_one._contains(of_one.to_internal_repr(value))
    values = values_of(one)
    assert nearest(one, value) == value
    if values is not None:
        assert value in values
    else:
        assert isinstance(one, FloatRange)
        assert isinstance(value, float)
        assert one.low <= value <= one.high


@given(RANGES)
def test_the_distribution_of_a_range_has_the_very_values_of_the_range(one: SearchRange) -> None:
    of_one, values = distribution(one), values_of(one)
    if isinstance(of_one, FloatDistribution):
        assert isinstance(one, FloatRange)
        assert (of_one.low, of_one.high, of_one.log, values) == (one.low, one.high, one.log, None)
    elif isinstance(of_one, IntDistribution):
        assert tuple(range(of_one.low, of_one.high + 1, of_one.step)) == values
    else:
        assert isinstance(of_one, CategoricalDistribution)
        assert of_one.choices == values


@given(RANGES, st.floats(-1e7, 1e7))
def test_nearest_gives_a_legal_value_and_none_is_nearer(one: SearchRange, value: float) -> None:
    found = nearest(one, value)
    assert isinstance(found, (int, float))
    candidates = values_of(one)
    if candidates is None:
        assert isinstance(one, FloatRange)
        candidates = (min(max(value, one.low), one.high),)
    assert math.isclose(abs(found - value), min(abs(other - value) for other in candidates))


def test_of_words_the_nearest_is_the_same_or_the_first() -> None:
    words = Choice(("adam", "sgd"))
    assert nearest(words, "sgd") == "sgd"
    assert nearest(words, "rmsprop") == "adam"
    assert nearest(Choice((None, 0.5)), None) is None
