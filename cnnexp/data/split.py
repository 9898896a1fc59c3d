"""Cuts a data set into train, val and test: a pure function of labels, settings and the split's own seed."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnnexp.data.reading import Labels
from cnnexp.errors import DataError

How = Literal["stratified", "random", "contiguous"]
# Every draw has a stream of its own: cutting a test part does not change how validation is drawn.
TEST_DRAW, VAL_DRAW, FRACTION_DRAW = 1, 2, 3


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How parts are cut; `DataSettings` has the meanings."""

    how: How
    val_fraction: float
    test_fraction: float
    fraction: float
    seed: int


def split(labels: Labels, given: dict[str, Labels], rule: SplitRule) -> dict[str, Labels]:
    """Returns the rows of train, val and test, each in file order.

    Args:
        labels: int64 (N,) of all rows.
        given: rows of the parts the set has; "train" always, "val" and "test" where it has them.
        rule: how the others are cut.

    Returns:
        Disjoint rows by part; all given rows where `rule.fraction` is 1.
    """
    parts = dict(given)
    if "test" not in parts:  # first, so that a test part stays the same whatever --val-fraction says
        parts["train"], parts["test"] = _cut(labels, parts["train"], rule.test_fraction, rule, TEST_DRAW)
    if "val" not in parts:
        parts["train"], parts["val"] = _cut(labels, parts["train"], rule.val_fraction, rule, VAL_DRAW)
    parts = {name: parts[name] for name in ("train", "val", "test")}
    if rule.fraction == 1:
        return parts
    return {
        name: _share(labels, rows, rule, FRACTION_DRAW + number)
        for number, (name, rows) in enumerate(parts.items())
    }


def check_classes(
    labels: Labels,
    parts: dict[str, Labels],
    class_names: tuple[str, ...],
    *,
    name: str,
    given: Container[str] = (),
) -> None:
    """Checks that every part has every class; the parts in `given` were not cut by us.

    Raises:
        DataError: a part is empty or lacks a class.
    """
    for part, rows in parts.items():
        counts = np.bincount(labels[rows], minlength=len(class_names))
        missing = [class_name for class_name, count in zip(class_names, counts, strict=True) if count == 0]
        if missing:
            total = int((labels == class_names.index(missing[0])).sum())
            others = f" (nor {len(missing) - 1} more classes)" if len(missing) > 1 else ""
            share = "val" if part == "train" else part
            way_out = f"add images, use --split stratified, or raise --fraction or --{share}-fraction"
            if part in given:
                way_out = f"add images of it to the {part} part, take its class out, or raise --fraction"
            raise DataError(
                f"the {part} part of {name} has no image of class {missing[0]!r}{others}, which has {total} "
                f"in all: every class needs one in each part; {way_out}."
            )


def _cut(labels: Labels, rows: Labels, share: float, rule: SplitRule, draw: int) -> tuple[Labels, Labels]:
    """Returns (what stays, what is cut off)."""
    if rule.how == "contiguous":
        stay = round(len(rows) * (1 - share))
        return rows[:stay], rows[stay:]
    taken = _draw(labels, rows, share, rule, draw)
    return rows[~taken], rows[taken]


def _share(labels: Labels, rows: Labels, rule: SplitRule, draw: int) -> Labels:
    if rule.how == "contiguous":
        return rows[: max(1, round(len(rows) * rule.fraction))]
    return rows[_draw(labels, rows, rule.fraction, rule, draw)]


def _draw(
    labels: Labels, rows: Labels, share: float, rule: SplitRule, draw: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Marks the rows that are drawn, at random or in proportion to the classes."""
    generator = np.random.default_rng([rule.seed, draw])
    taken = np.zeros(len(rows), np.bool_)
    order = generator.permutation(len(rows))
    if rule.how == "random":
        taken[order[: round(len(rows) * share)]] = True
        return taken
    of_row = labels[rows][order]
    for label, count in enumerate(class_counts(np.bincount(of_row), share)):
        taken[order[of_row == label][:count]] = True
    return taken


def class_counts(sizes: Labels, share: float) -> Labels:
    """Returns how many of each class a share takes: largest remainders, so that the total is exact.

    A class of two images or more gives at least one and keeps at least one; a class of one gives none.
    """
    quotas = sizes * share
    counts = np.floor(quotas).astype(np.int64)
    missing = round(float(quotas.sum())) - int(counts.sum())
    largest_first = np.argsort(-(quotas - counts), kind="stable")
    counts[largest_first[:missing]] += 1
    most = np.maximum(sizes - 1, 0)
    clipped: Labels = np.clip(counts, np.minimum(1, most), most)
    return clipped
