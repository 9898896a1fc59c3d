"""A study over its trials: the best so far, what was ended early, when it ran, and its Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnexp.figures.style import BLUE, GREY, INK, ORANGE, SMALL, SMALLEST, new_figure, styled
from cnnexp.figures.trials import (
    COMPLETE,
    FAILED,
    PRUNED,
    ObjectiveAxis,
    TrialPoint,
    light_grid,
    value_axis,
)

COLORS = {COMPLETE: BLUE, PRUNED: GREY, FAILED: ORANGE}
_NAMED = 12  # trials of a front that are named by number
MINUTES, HOURS = 180.0, 3 * 3600.0  # seconds from which a time axis counts in minutes, in hours


@styled
def history(trials: Sequence[TrialPoint], objective: ObjectiveAxis, *, title: str) -> Figure:
    """Draws each complete trial's value, and the best so far as a line.

    Args:
        trials: by number, at least one complete.
        objective: the first one.
        title: says the finding.
    """
    figure = new_figure(title, height=3.9)
    axes = figure.add_subplot()
    complete = [one for one in trials if one.state == COMPLETE]
    numbers, values = [one.number for one in complete], [one.values[0] for one in complete]
    best = [objective.best(values[: end + 1]) for end in range(len(values))]
    last = max(one.number for one in trials)
    axes.plot(numbers, values, "o", color=BLUE, markersize=5, label="trial")
    axes.step([*numbers, last], [*best, best[-1]], where="post", color=ORANGE, label="best so far")
    winner = values.index(best[-1])
    axes.plot(numbers[winner], values[winner], "o", color=ORANGE, markeredgecolor=INK, markersize=8)
    axes.set_xlabel("Trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    value_axis(axes, objective)
    axes.margins(y=0.08)
    light_grid(axes)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def importances(shares: Sequence[tuple[str, float]], *, evaluator: str, title: str) -> Figure:
    """Draws a bar per parameter.

    Args:
        shares: parameter and importance, in [0, 1], the largest first.
        evaluator: names the measure.
        title: says the finding.
    """
    figure = new_figure(title, height=1.2 + 0.34 * len(shares))
    axes = figure.add_subplot()
    percent = [100 * share for _, share in shares]
    axes.barh(range(len(shares)), percent, color=BLUE, height=0.62)
    for place, share in enumerate(percent):
        axes.annotate(
            f"{share:.0f} %" if share == 0 or share >= 0.5 else "<1 %",  # noqa: PLR2004 - would round to 0
            (share, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
    axes.set_yticks(range(len(shares)), [name for name, _ in shares])
    axes.set(ylim=(len(shares) - 0.4, -0.6), xlim=(0, 1.12 * max([*percent, 1e-9])))
    axes.set_xlabel(f"Importance ({evaluator}, % of all)")
    light_grid(axes)
    return figure


@styled
def intermediate_values(
    trials: Sequence[TrialPoint], objective: ObjectiveAxis, *, best: int | None, title: str
) -> Figure:
    """Draws the best value so far of each trial over its epochs; the winner on top.

    Args:
        trials: those with a curve.
        objective: the first one.
        best: number of the best trial.
        title: says the finding.
    """
    figure = new_figure(title, height=4.0)
    axes = figure.add_subplot()
    for one in trials:
        epochs, values = list(one.curve), list(one.curve.values())
        is_best = one.number == best
        color = ORANGE if is_best else COLORS[one.state] if one.state != FAILED else INK
        width, alpha, order = (2.4, 1.0, 3) if is_best else (1.0, 0.65, 2)
        axes.plot(epochs, values, color=color, linewidth=width, alpha=alpha, zorder=order)
        mark = {COMPLETE: "o", PRUNED: "x", FAILED: "v"}[one.state]
        axes.plot(epochs[-1], values[-1], mark, color=color, markersize=5, zorder=order)
    _curve_legend(axes, trials, best)
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    value_axis(axes, objective)
    axes.set_title("the best epoch so far", fontsize=SMALL)
    axes.margins(y=0.08)
    light_grid(axes)
    figure.legend(loc="outside lower center", ncols=4, fontsize=SMALL)
    return figure


@styled
def timeline(trials: Sequence[TrialPoint], *, title: str) -> Figure:
    """Draws a bar per trial from its start to its end.

    Args:
        trials: at least one.
        title: says the finding.
    """
    figure = new_figure(title, height=min(6.5, 1.4 + 0.13 * len(trials)))
    axes = figure.add_subplot()
    end = max(one.end for one in trials)
    unit, per = ("h", 3600.0) if end >= HOURS else ("min", 60.0) if end >= MINUTES else ("s", 1.0)
    for state, color in COLORS.items():
        chosen = [one for one in trials if one.state == state]
        if chosen:
            axes.barh(
                [one.number for one in chosen],
                [max(one.end - one.begin, 0.002 * end) / per for one in chosen],
                left=[one.begin / per for one in chosen],
                color=color,
                height=0.75,
                label=state,
            )
    axes.set(xlabel=f"Time since the first trial ({unit})", ylabel="Trial")
    axes.set_ylim(max(one.number for one in trials) + 0.9, min(one.number for one in trials) - 0.9)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    light_grid(axes)
    figure.legend(loc="outside lower center", ncols=3, fontsize=SMALL)
    return figure


@styled
def pareto_front(
    trials: Sequence[TrialPoint], objectives: Sequence[ObjectiveAxis], front: Sequence[int], *, title: str
) -> Figure:
    """Draws the first objective against each other one; the trials of the front by number.

    Args:
        trials: complete ones.
        objectives: two or more.
        front: numbers of the trials that no other beats in all objectives.
        title: says the finding.
    """
    others = range(1, len(objectives))
    figure = new_figure(title, height=3.9 * len(others) + 0.3)
    grid = figure.subplots(len(others), 1, squeeze=False)[:, 0]
    for axes, other in zip(grid, others, strict=True):
        rest = [one for one in trials if one.number not in front]
        best = sorted((one for one in trials if one.number in front), key=lambda one: one.values[other])
        axes.plot(
            [one.values[other] for one in rest],
            [one.values[0] for one in rest],
            "o",
            color=GREY,
            label="trial",
        )
        across, up = [one.values[other] for one in best], [one.values[0] for one in best]
        if len(objectives) == 2:  # noqa: PLR2004 - of three, a line would connect nothing
            turn = "pre" if objectives[other].maximize else "post"
            axes.step(across, up, where=turn, color=ORANGE, linewidth=1.2)
        axes.plot(across, up, "o", color=ORANGE, markeredgecolor=INK, label="Pareto front")
        for one in best if len(best) <= _NAMED else ():
            place = (one.values[other], one.values[0])
            axes.annotate(
                str(one.number), place, xytext=(5, 5), textcoords="offset points", fontsize=SMALLEST
            )
        value_axis(axes, objectives[0])
        value_axis(axes, objectives[other], horizontal=True)
        axes.margins(0.08)
        light_grid(axes)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _curve_legend(axes: Axes, trials: Sequence[TrialPoint], best: int | None) -> None:
    """One entry per kind of trial: a study has too many to name."""
    if any(one.number == best for one in trials):
        axes.plot([], [], color=ORANGE, linewidth=2.4, label=f"trial {best}, the best")
    for state, color, mark in ((COMPLETE, BLUE, "o"), (PRUNED, GREY, "x"), (FAILED, INK, "v")):
        count = sum(one.state == state and one.number != best for one in trials)
        if count:
            word = "ended early" if state == PRUNED else state
            axes.plot([], [], color=color, marker=mark, linewidth=1.0, label=f"{count} {word}")
