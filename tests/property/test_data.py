"""Splits and batches: whatever the set and the settings, no image is lost, doubled or seen by two parts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.data.batches import Batches
from cnnexp.data.split import How, SplitRule, split
from tests.unit.data.made import memory_part

shares = st.floats(0.01, 0.99)
ways: st.SearchStrategy[How] = st.sampled_from(["stratified", "random", "contiguous"])


@st.composite
def label_lists(draw: st.DrawFn) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    sizes = draw(st.lists(st.integers(1, 60), min_size=2, max_size=8))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(draw(st.integers(0, 99))).permutation(labels)


@given(label_lists(), ways, shares, shares, st.integers(0, 2**32 - 1))
def test_parts_are_disjoint_complete_and_in_file_order(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], how: How, val: float, test: float, seed: int
) -> None:
    rule = SplitRule(how, val_fraction=val, test_fraction=test, fraction=1.0, seed=seed)
    parts = split(labels, {"train": np.arange(len(labels))}, rule)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    assert all((np.diff(rows) > 0).all() for rows in parts.values())


@given(label_lists(), shares, st.integers(0, 2**32 - 1))
def test_a_stratified_part_has_each_class_in_proportion(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], share: float, seed: int
) -> None:
    rule = SplitRule("stratified", val_fraction=0.5, test_fraction=share, fraction=1.0, seed=seed)
    rows = split(labels, {"train": np.arange(len(labels))}, rule)["test"]
    taken = np.bincount(labels[rows], minlength=labels.max() + 1)
    for of_class, size in zip(taken, np.bincount(labels), strict=True):
        assert abs(of_class - size * share) <= 1
        if size > 1:
            assert 1 <= of_class < size


@given(label_lists(), ways, shares, st.integers(0, 2**32 - 1))
def test_a_fraction_is_a_subset_of_the_whole(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], how: How, fraction: float, seed: int
) -> None:
    rows = {"train": np.arange(len(labels))}
    whole = split(labels, rows, SplitRule(how, 0.2, 0.2, 1.0, seed))
    some = split(labels, rows, SplitRule(how, 0.2, 0.2, fraction, seed))
    assert all(set(some[part]) <= set(whole[part]) for part in whole)


def _seen(made: Batches, epoch: int) -> Iterator[list[int]]:
    return (labels.tolist() for _, labels in made.epoch(epoch))


@given(
    st.integers(1, 200), st.integers(1, 64), st.integers(0, 2**32 - 1), st.integers(0, 1000), st.booleans()
)
def test_an_epoch_holds_every_image_once_and_no_lone_last_one(
    num_images: int, batch_size: int, seed: int, epoch: int, shuffle: bool
) -> None:
    made = Batches(
        memory_part(num_images, channels=1, size=1),
        batch_size=batch_size, device=torch.device("cpu"), shuffle=shuffle, seed=seed, merge_single=True,
    )  # fmt: skip
    seen = list(_seen(made, epoch))
    assert len(seen) == len(made)
    assert sorted(itertools.chain(*seen)) == list(range(num_images))
    if batch_size > 1 and num_images > 1:
        assert min(map(len, seen)) > 1
    assert max(map(len, seen)) <= batch_size + 1
