"""What a sweep may say of its settings: only what its seeds can tell."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from cnnexp.tuning.compare import Cell, Effect, best_first, effect_of, sentence_of, whole_groups


def cell(params: Mapping[str, Any], *accuracies: float | None) -> Cell:
    found = {seed: one for seed, one in enumerate(accuracies) if one is not None}
    return Cell(params, found, dict.fromkeys(found, 1.0), {"parameters": 10.0}, dict.fromkeys(found, "r"))


def grid(*noise: float) -> list[Cell]:
    """kernel_size 5 is 10 points better than 3; batch_size does nothing; a seed per noise."""
    return [
        cell(
            {"kernel_size": k, "batch_size": b},
            *(0.5 + 0.1 * (k == 5) + one * (1 if b == 16 else -1) for one in noise),
        )
        for k, b in product((3, 5), (16, 64))
    ]


def test_a_clear_difference_is_told_with_its_interval() -> None:
    cells = [
        cell({"lr": value}, *accuracies)
        for value, accuracies in {
            0.1: (0.50, 0.51, 0.52),
            0.01: (0.70, 0.71, 0.72),
            0.001: (0.60, 0.61, 0.62),
        }.items()
    ]
    effect = effect_of("lr", cells)
    assert (effect.best, effect.second, effect.is_told) == (0.01, 0.001, True)
    assert (
        sentence_of(effect)
        == "lr: 0.01 is best with 71.0 %, 10.0 points above 0.001 (95 % interval +7.7 to +12.3)."
    )


def test_differences_smaller_than_the_spread_of_seeds_are_noise() -> None:
    cells = [cell({"lr": 0.1}, 0.5, 0.7, 0.6), cell({"lr": 0.01}, 0.52, 0.72, 0.62)]
    effect = effect_of("lr", cells)
    assert not effect.is_told
    assert "0.01 is 2.0 points ahead of 0.1, which these seeds cannot tell from chance" in sentence_of(effect)


def test_one_seed_cannot_tell() -> None:
    effect = effect_of("lr", [cell({"lr": 0.1}, 0.5), cell({"lr": 0.01}, 0.9)])
    assert (effect.interval, effect.is_told) == (None, False)
    assert (
        sentence_of(effect)
        == "lr: 0.01 is 40.0 points ahead of 0.1, but one seed cannot tell this from chance."
    )


def test_a_setting_is_averaged_over_the_others() -> None:
    effect = effect_of("kernel_size", grid(0.01, -0.01, 0.02))
    assert effect.by_value == {3: pytest.approx((0.5, 0.5, 0.5)), 5: pytest.approx((0.6, 0.6, 0.6))}
    assert (effect.num_combinations, effect.left_out) == (2, 0)


def test_values_stand_in_the_order_given() -> None:
    assert list(effect_of("lr", [cell({"lr": 0.1}, 0.5), cell({"lr": 0.01}, 0.9)]).by_value) == [0.1, 0.01]


def test_a_combination_that_lacks_a_value_favours_nobody() -> None:
    cells = grid(0.01, -0.01)
    cells[-1] = cell(cells[-1].params)  # kernel 5, batch 64 cannot be trained
    effect = effect_of("kernel_size", cells)
    assert (effect.num_combinations, effect.left_out) == (1, 1)
    assert effect.by_value[3] == pytest.approx((0.51, 0.49))
    assert sentence_of(effect).endswith("1 combination(s) of the others are left out, lacking a value.")


def test_a_value_that_nothing_was_trained_with_is_left_out() -> None:
    cells = [cell({"depth": 1}, 0.5, 0.6), cell({"depth": 2}, 0.8, 0.9), cell({"depth": 9})]
    effect = effect_of("depth", cells)
    assert list(effect.by_value) == [1, 2]
    assert sentence_of(effect).endswith("; not trained: 9.")
    only = effect_of("depth", cells[1:])
    assert sentence_of(only) == "depth: only 2 could be trained; not trained: 9."


def test_nothing_trained_cannot_be_compared() -> None:
    assert "cannot be compared" in sentence_of(effect_of("depth", [cell({"depth": 1}), cell({"depth": 2})]))


def test_equal_values_are_called_equal() -> None:
    cells = [cell({"depth": 1}, 0.5, 0.5), cell({"depth": 2}, 0.5, 0.5)]
    assert sentence_of(effect_of("depth", cells)).startswith("depth: 1 and 2 are equally good")


@pytest.mark.parametrize(
    ("second", "seeds"),
    [
        ([0.5, None, None], [0]),  # stopped within the second seed: compared on the first
        ([0.5, 0.6, None], [0, 1]),
        ([None, 0.5, 0.6], [1, 2]),
    ],
)
def test_a_sweep_that_was_stopped_is_compared_on_the_seeds_it_has(
    second: list[float | None], seeds: list[int]
) -> None:
    cells = [cell({"lr": 0.1}, 0.4, 0.5, 0.6), cell({"lr": 0.01}, *second)]
    groups, kept = whole_groups("lr", cells)
    assert (len(groups), kept) == (1, seeds)


def test_one_failed_seed_costs_its_combination_not_a_seed_of_all() -> None:
    cells = [
        cell({"lr": lr, "batch_size": b}, 0.4, 0.5, 0.6) for lr, b in product((0.1, 0.01), (8, 16, 32, 64))
    ]
    cells[0] = cell(cells[0].params, 0.4, 0.5, None)
    groups, seeds = whole_groups("lr", cells)
    assert (len(groups), seeds) == (3, [0, 1, 2])


def test_cells_that_were_not_trained_stand_last() -> None:
    cells = [cell({"depth": 9}), cell({"depth": 1}, 0.1), cell({"depth": 2}, 0.2)]
    assert [one.params["depth"] for one in best_first(cells)] == [2, 1, 9]


def test_an_effect_knows_no_best_of_one_value() -> None:
    assert not Effect("lr", {0.1: (0.5, 0.6)}, 1, 0).is_told
