"""What a sweep has found: its cells, and for each varied setting which value is best, if that can be told.

Knows numbers only, neither Optuna nor MLflow.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from cnnexp.experiment.statistics import mean_sd, welch

RULE = (
    "Rule: a value's accuracy is its mean over all combinations of the other settings, once per seed; the "
    "best is told from the second where Welch's 95 % t interval of their difference leaves out zero."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of values, trained with each seed.

    Attributes:
        params: what varies.
        accuracies: seed to validation accuracy of the best epoch, in [0, 1]; a seed that failed is absent.
        seconds: seed to training time.
        facts: parameters, macs.
        run_ids: seed to MLflow run.
        note: why seeds are absent; empty where none is.
    """

    params: Mapping[str, Any]
    accuracies: Mapping[int, float]
    seconds: Mapping[int, float]
    facts: Mapping[str, float]
    run_ids: Mapping[int, str]
    note: str = ""

    @property
    def accuracy(self) -> tuple[float, float | None] | None:
        """Mean and sd over seeds; None without any."""
        return mean_sd(list(self.accuracies.values()))

    @property
    def time(self) -> tuple[float, float | None] | None:
        """Mean and sd of the training seconds over seeds; None without any."""
        return mean_sd(list(self.seconds.values()))


@dataclass(frozen=True, slots=True)
class Effect:
    """What one setting does, all others averaged over.

    Attributes:
        setting: its name.
        by_value: value to its mean accuracy with each seed; values that nothing was trained with are absent.
        num_combinations: of the other settings, in which every value was trained with every seed.
        left_out: combinations in which one was missing.
        untrained: values that nothing was trained with.
        best, second: values; None where there is nothing to compare.
        difference: best minus second, in [0, 1].
        interval: of the difference, 95 %; None with one seed.
    """

    setting: str
    by_value: Mapping[Any, tuple[float, ...]]
    num_combinations: int
    left_out: int
    untrained: tuple[Any, ...] = ()
    best: Any = None
    second: Any = None
    difference: float = 0.0
    interval: tuple[float, float] | None = None

    @property
    def is_told(self) -> bool:
        """True where the best value is better than the second beyond the noise of the seeds."""
        return self.interval is not None and self.interval[0] > 0


def best_first(cells: Sequence[Cell]) -> list[Cell]:
    """Returns cells by their mean accuracy; those without any last."""
    return sorted(cells, key=lambda one: -one.accuracy[0] if one.accuracy else math.inf)


def effect_of(setting: str, cells: Sequence[Cell]) -> Effect:
    """Compares the values of a setting over the combinations of the others that have all of them.

    A combination that lacks a value, or a seed of one, is left out: it would favour the values that remain.
    """
    groups, seeds = whole_groups(setting, cells)
    untrained = tuple(one for one in _values(setting, cells) if not _is_trained(setting, one, cells))
    counts = (len(groups), _num_groups(setting, cells) - len(groups), untrained)
    if not groups:
        return Effect(setting, {}, *counts)
    by_value = {
        value: tuple(fmean(group[value].accuracies[seed] for group in groups) for seed in seeds)
        for value in groups[0]
    }
    if len(by_value) == 1:
        return Effect(setting, by_value, *counts)
    best, second = sorted(by_value, key=lambda value: -fmean(by_value[value]))[:2]
    found = welch(by_value[best], by_value[second])
    return Effect(setting, by_value, *counts, best, second, found.value, found.interval)


def whole_groups(setting: str, cells: Sequence[Cell]) -> tuple[list[dict[Any, Cell]], list[int]]:
    """Returns a cell of every value for each combination of the other settings that is whole, and the seeds.

    Values that nothing could be trained with are left out of all. Where not every cell has every seed (a
    sweep that was stopped, say), the rarest seeds are given up as long as that keeps more results.
    """
    values = [value for value in _values(setting, cells) if _is_trained(setting, value, cells)]
    groups: dict[Hashable, dict[Any, Cell]] = {}
    for cell in cells:
        groups.setdefault(_others(setting, cell), {})[cell.params[setting]] = cell
    full = [one for one in groups.values() if values and all(value in one for value in values)]
    often = sorted(seeds_of(cells), key=lambda seed: (-sum(seed in one.accuracies for one in cells), seed))
    kept: tuple[list[dict[Any, Cell]], list[int]] = ([], [])
    for count in range(1, len(often) + 1):
        seeds = sorted(often[:count])
        whole = [
            {value: group[value] for value in values}
            for group in full
            if all(seed in group[value].accuracies for value in values for seed in seeds)
        ]
        if whole and len(whole) * count >= len(kept[0]) * len(kept[1]):
            kept = (whole, seeds)
    return kept


def seeds_of(cells: Sequence[Cell]) -> list[int]:
    """Returns the numbers of the seeds that any cell was trained with."""
    return sorted({seed for cell in cells for seed in cell.accuracies})


def finding_of(effect: Effect) -> str:
    """Returns what is known of a setting, for a title."""
    name = effect.setting
    if not effect.by_value:
        return f"{name}: cannot be compared, for no combination of the others was trained with every value"
    if effect.second is None:
        return f"{name}: only {text_of(next(iter(effect.by_value)))} could be trained"
    best, second = text_of(effect.best), text_of(effect.second)
    if effect.difference == 0:
        return f"{name}: {best} and {second} are equally good"
    points = f"{100 * effect.difference:.1f} points"
    if effect.interval is None:
        return f"{name}: {best} is {points} ahead of {second}, but one seed cannot tell this from chance"
    if effect.is_told:
        mean = f"{100 * fmean(effect.by_value[effect.best]):.1f} %"
        return f"{name}: {best} is best with {mean}, {points} above {second}"
    return f"{name}: {best} is {points} ahead of {second}, which these seeds cannot tell from chance"


def sentence_of(effect: Effect) -> str:
    """Returns what is known of a setting, in one plain sentence."""
    parts = [finding_of(effect)]
    if effect.interval is not None:
        low, high = (f"{100 * bound:+.1f}" for bound in effect.interval)
        parts.append(f" (95 % interval {low} to {high})")
    if effect.by_value and effect.untrained:
        parts.append(f"; not trained: {', '.join(map(text_of, effect.untrained))}")
    if effect.by_value and effect.left_out:
        parts.append(f"; {effect.left_out} combination(s) of the others are left out, lacking a value")
    return "".join(parts) + "."


def text_of(value: object) -> str:
    """Returns a value as a command line has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _values(setting: str, cells: Sequence[Cell]) -> list[Any]:
    return list(dict.fromkeys(cell.params[setting] for cell in cells))


def _is_trained(setting: str, value: object, cells: Sequence[Cell]) -> bool:
    return any(cell.accuracies for cell in cells if cell.params[setting] == value)


def _others(setting: str, cell: Cell) -> Hashable:
    return tuple((name, value) for name, value in cell.params.items() if name != setting)


def _num_groups(setting: str, cells: Sequence[Cell]) -> int:
    return len({_others(setting, cell) for cell in cells})
