from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnnexp.data.split import SplitRule, check_classes, class_counts, split
from cnnexp.errors import DataError

RULE = SplitRule("stratified", val_fraction=0.2, test_fraction=0.2, fraction=1.0, seed=0)
LABELS = np.arange(1000) % 10
ALL = {"train": np.arange(1000)}


def test_w10_validation_is_drawn_from_everywhere_by_default() -> None:
    val = split(LABELS, ALL, RULE)["val"]
    assert len(val) == 160  # not the last 160
    assert set(val // 100) == set(range(10))


def test_w16_the_split_is_a_function_of_its_seed_alone() -> None:
    one, again = split(LABELS, ALL, RULE), split(LABELS, ALL, RULE)
    other = split(LABELS, ALL, replace(RULE, seed=1))
    assert all((one[part] == again[part]).all() for part in one)
    assert (one["val"] != other["val"]).any()


def test_contiguous_validates_on_the_last_images() -> None:
    given = {"train": np.arange(60_000), "test": np.arange(60_000, 70_000)}
    rows = split(np.zeros(70_000, np.int64), given, replace(RULE, how="contiguous"))
    assert (rows["train"] == np.arange(48_000)).all()
    assert (rows["val"] == np.arange(48_000, 60_000)).all()
    assert (rows["test"] == given["test"]).all()


def test_the_test_part_does_not_depend_on_the_share_of_validation() -> None:
    one, other = split(LABELS, ALL, RULE), split(LABELS, ALL, replace(RULE, val_fraction=0.4))
    assert (one["test"] == other["test"]).all()


def test_a_fixed_validation_part_is_respected() -> None:
    given = {"train": np.arange(800), "val": np.arange(800, 900), "test": np.arange(900, 1000)}
    assert split(LABELS, given, RULE) == given


def test_stratified_counts_are_exact_by_largest_remainder() -> None:
    assert class_counts(np.array([7, 7, 6]), 0.2).tolist() == [2, 1, 1]  # 1.4, 1.4, 1.2: 4 in all
    assert class_counts(np.array([100, 50, 10]), 0.2).tolist() == [20, 10, 2]


def test_a_rare_class_gives_one_and_keeps_one() -> None:
    assert class_counts(np.array([1000, 2, 1]), 0.2).tolist() == [200, 1, 0]
    assert class_counts(np.array([1000, 2, 3]), 0.9).tolist()[1:] == [1, 2]


def test_a_fraction_is_taken_of_every_part_in_proportion() -> None:
    rows = split(LABELS, ALL, replace(RULE, fraction=0.5))
    whole = split(LABELS, ALL, RULE)
    for part, of_part in rows.items():
        assert np.isin(of_part, whole[part]).all()
        counts = np.bincount(LABELS[of_part])
        assert counts.max() - counts.min() <= 1
        assert len(of_part) == len(whole[part]) // 2


def test_a_contiguous_fraction_is_the_first_of_every_part() -> None:
    rows = split(LABELS, ALL, replace(RULE, how="contiguous", fraction=0.5))
    assert [part.tolist()[0] for part in rows.values()] == [0, 640, 800]
    assert [len(part) for part in rows.values()] == [320, 80, 100]


def test_a_class_missing_from_a_part_is_named_with_the_ways_out() -> None:
    labels = np.array([0] * 50 + [1])
    rows = split(labels, {"train": np.arange(51)}, RULE)
    with pytest.raises(
        DataError, match=r"the val part of photos has no image of class 'b', which has 1 in all"
    ):
        check_classes(labels, rows, ("a", "b"), name="photos")
