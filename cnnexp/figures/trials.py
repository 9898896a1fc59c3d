"""What the pictures of a study are drawn from: plain data of its trials, objectives and parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from cnnexp.figures.style import GREY, plain_ticks

_MOST_TICKS = 8
COMPLETE, PRUNED, FAILED = "complete", "ended early or never trained", "failed"


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One trial.

    Attributes:
        number: of the trial.
        state: COMPLETE, PRUNED or FAILED.
        values: of the objectives, as they are shown; empty unless complete.
        params: what varied; what has no effect in this trial is absent.
        curve: epoch to the first objective's best value so far, as it is shown.
        begin, end: seconds since the study's first trial.
    """

    number: int
    state: str
    values: Sequence[float]
    params: Mapping[str, object]
    curve: Mapping[int, float]
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class ObjectiveAxis:
    """How an objective is shown.

    Attributes:
        label: with its unit.
        maximize: more is better.
        is_log: spans orders of magnitude.
        text: a format for its values, such as `{:.1f} %`.
    """

    label: str
    maximize: bool
    is_log: bool = False
    text: str = "{:.4g}"

    def best(self, values: Sequence[float]) -> float:
        """Returns the best of some values."""
        return max(values) if self.maximize else min(values)


@dataclass(frozen=True, slots=True)
class ParamAxis:
    """How a parameter is shown.

    Attributes:
        name: of it.
        choices: its values in order, as text; empty for numbers in between two bounds.
        low, high: bounds of numbers.
        is_log: even steps multiply.
    """

    name: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    is_log: bool = False

    def place(self, value: object, text: str) -> float:
        """Returns where a value lies, 0 at the lowest, 1 at the highest."""
        if self.choices:
            return self.choices.index(text) / max(1, len(self.choices) - 1)
        number = float(str(value))
        if self.is_log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Returns some places and what stands there: every choice, else the bounds and what is between."""
        if self.choices:
            return [(self.place(None, text), text) for text in self.choices]
        if self.is_log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            inner = [10.0**power for power in range(first, last + 1)]
            numbers = inner if len(inner) > 1 else [self.low, math.sqrt(self.low * self.high), self.high]
        else:
            numbers = [self.low, (self.low + self.high) / 2, self.high]
        return [(self.place(number, ""), f"{number:.2g}") for number in numbers]


def value_axis(axes: Axes, objective: ObjectiveAxis, *, horizontal: bool = False) -> None:
    """Labels an axis with an objective."""
    if horizontal:
        axes.set_xlabel(objective.label)
    else:
        axes.set_ylabel(objective.label)
    if objective.is_log:
        (axes.set_xscale if horizontal else axes.set_yscale)("log")
        axis = axes.xaxis if horizontal else axes.yaxis
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=_MOST_TICKS))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axis.set_minor_formatter(NullFormatter())


def light_grid(axes: Axes) -> None:
    """Draws a grid behind what is shown."""
    axes.grid(True, color=GREY, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    plain_ticks(axes)
