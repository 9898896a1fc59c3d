"""A study over its parameters: all of them side by side, and the few that matter one by one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from cnnexp.figures.style import GREY, INK, ORANGE, SMALL, SMALLEST, new_figure, plain_ticks, shorten, styled
from cnnexp.figures.trials import ObjectiveAxis, ParamAxis, TrialPoint, light_grid, value_axis

_ABSENT = -0.14  # height of the place "–", below the axis
_SHADES = ListedColormap(colormaps["Blues"](np.linspace(0.25, 1.0, 256)))  # the lightest still show on white
_SPREAD = 0.05  # lines through one choice are fanned out, so that their number shows


@styled
def parallel_coordinates(
    trials: Sequence[TrialPoint],
    params: Sequence[ParamAxis],
    objective: ObjectiveAxis,
    *,
    texts: Sequence[Sequence[str | None]],
    title: str,
) -> Figure:
    """Draws a line per complete trial through its parameters; the best one on top, the dark ones good.

    Args:
        trials: complete ones.
        params: from left to right.
        objective: the first one; it gives the colour.
        texts: of each trial each parameter's value as text; None where it has no effect.
        title: says the finding.
    """
    figure = new_figure(title, height=4.4)
    axes = figure.add_subplot()
    values = [one.values[0] for one in trials]
    scale = _scale(values, objective)
    best = values.index(objective.best(values))
    order = sorted(range(len(trials)), key=lambda index: (index == best, _rank(values[index], objective)))
    for index in order:
        shift = _SPREAD * (index / max(1, len(trials) - 1) - 0.5)
        heights = [
            _ABSENT
            if text is None
            else one.place(trials[index].params[one.name], text) + (shift if one.choices else 0.0)
            for one, text in zip(params, texts[index], strict=True)
        ]
        color, width = (ORANGE, 2.6) if index == best else (scale.to_rgba(np.array([values[index]]))[0], 1.0)
        axes.plot(range(len(params)), heights, color=color, linewidth=width, alpha=0.9)
    absent = {one.name for row in texts for one, text in zip(params, row, strict=True) if text is None}
    _name_axes(axes, params, absent)
    bar = figure.colorbar(scale, ax=axes, label=objective.label, aspect=35, pad=0.02)
    plain_ticks(bar.ax)
    return figure


@styled
def slices(
    trials: Sequence[TrialPoint],
    params: Sequence[ParamAxis],
    objective: ObjectiveAxis,
    *,
    texts: Sequence[Sequence[str | None]],
    title: str,
) -> Figure:
    """Draws the value of each complete trial over one parameter at a time; later trials are darker.

    Args:
        trials: complete ones.
        params: those that matter, three at most are readable.
        objective: the first one.
        texts: of each trial each parameter's value as text; None where it has no effect.
        title: says the finding.
    """
    figure = new_figure(title, height=3.9)
    grid = figure.subplots(1, len(params), sharey=True, squeeze=False)[0]
    scale = ScalarMappable(Normalize(0, max(1, trials[-1].number)), _SHADES)
    for column, (axes, one) in enumerate(zip(grid, params, strict=True)):
        shown = [index for index in range(len(trials)) if texts[index][column] is not None]
        places = [
            one.place(trials[index].params[one.name], str(texts[index][column]))
            + (_SPREAD * (index / max(1, len(trials) - 1) - 0.5) if one.choices else 0.0)
            for index in shown
        ]
        values = [trials[index].values[0] for index in shown]
        shades = scale.to_rgba(np.array([trials[index].number for index in shown]))
        axes.scatter(places, values, c=shades, edgecolors=INK, linewidths=0.5, s=28)
        ticks = one.ticks()
        names = [shorten(text, 12) for _, text in ticks]
        slanted = sum(map(len, names)) > 54 / len(params)
        axes.set_xticks([place for place, _ in ticks], names, rotation=35 if slanted else 0)
        axes.set(xlim=(-0.08, 1.08), xlabel=one.name)
        light_grid(axes)
    value_axis(grid[0], objective)
    grid[0].set_title("darker: later trials", fontsize=SMALL)
    return figure


def _scale(values: Sequence[float], objective: ObjectiveAxis) -> ScalarMappable:
    """Returns colours, dark for good; the worst quarter is lightest, else one failure spends them all."""
    low, high = float(np.min(values)), float(np.max(values))
    if objective.maximize:
        low = float(np.quantile(values, 0.25))
    else:
        high = float(np.quantile(values, 0.75))
    if low == high:
        high = low + max(1e-9, 1e-6 * abs(low))
    norm = LogNorm(low, high) if objective.is_log and low > 0 else Normalize(low, high)
    shades = _SHADES if objective.maximize else _SHADES.reversed()
    return ScalarMappable(norm, shades)


def _rank(value: float, objective: ObjectiveAxis) -> float:
    return value if objective.maximize else -value


def _name_axes(axes: Axes, params: Sequence[ParamAxis], absent: Collection[str]) -> None:
    axes.set(xlim=(-0.4, len(params) - 0.4), ylim=(-0.2 if absent else -0.07, 1.07))
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    slanted = sum(len(one.name) for one in params) > 60  # noqa: PLR2004 - characters side by side
    axes.set_xticks(range(len(params)), [shorten(one.name, 18) for one in params])
    plain_ticks(axes)
    if slanted:
        for label in axes.get_xticklabels():
            label.set(rotation=35, ha="right", rotation_mode="anchor")
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8}
    for place, one in enumerate(params):
        axes.axvline(place, color=GREY, linewidth=1.0, zorder=0)
        ticks = one.ticks()
        if one.name in absent:
            ticks = [*ticks, (_ABSENT, "absent")]
        for height, text in ticks:
            axes.text(
                place,
                height,
                shorten(text, 10),
                fontsize=SMALLEST,
                ha="center",
                va="center",
                bbox=box,
                zorder=5,
            )
