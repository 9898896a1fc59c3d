"""A sweep: curves overlaid per value, a bar per cell, and what each setting does by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnexp.figures.style import BLUE, GREY, INK, SMALL, SMALLEST, new_figure, plain_ticks, shorten, styled

Values = npt.NDArray[np.float64]
# Okabe and Ito's colours that stand out from white, in an order in which neighbours differ in lightness too.
SERIES = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#222222")
DASHES = ("-", "--", "-.", ":")
MARKERS = (".", "s", "^", "x")
_MOST_MARKERS = 40  # epochs: more markers would hide the line
_MOST_CELLS = 40  # bars on a page
_LONGEST_LABEL = 44  # characters


@styled
def curves_by_value(
    curves: Mapping[str, tuple[Values, Values]], *, about: str, title: str, setting: str = ""
) -> Figure:
    """Draws validation loss (left) and accuracy (right): a line per value, with a band of ± 1 sd over seeds.

    Args:
        curves: value to (loss, accuracy), each float (seeds, epochs): loss in nats, accuracy in [0, 1].
        about: what lines and bands are.
        title: says the finding.
        setting: whose values they are; else each is a name by itself.
    """
    figure = new_figure(title, height=3.9 + 0.22 * ((len(curves) - 1) // 6))
    loss, accuracy = figure.subplots(1, 2)
    for number, (value, (losses, accuracies)) in enumerate(curves.items()):
        look = _look(number, len(curves), is_ordered=bool(setting))
        label = f"{setting} = {shorten(value, 24)}" if setting else shorten(value, 32)
        _band(loss, losses, look, label=label)
        _band(accuracy, 100 * accuracies, look, label=label)
    for axes, label in (
        (loss, "Validation loss (cross-entropy, nats)"),
        (accuracy, "Validation accuracy (%)"),
    ):
        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.margins(y=0.1)
        _grid(axes)
    loss.set_title(about, fontsize=SMALL, loc="left")  # once: it is as wide as both
    handles, labels = loss.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(curves), 4), fontsize=SMALL)
    return figure


@styled
def cell_bars(
    labels: Sequence[str],
    accuracies: Sequence[Sequence[float]],
    seconds: Sequence[Sequence[float]],
    *,
    title: str,
) -> Figure:
    """Draws a bar per cell for accuracy (left) and time (right), a dot per seed and a line of ± 1 sd.

    Args:
        labels: of the cells, best first; at most the 40 best are drawn.
        accuracies: of each cell, one per seed, in [0, 1].
        seconds: of each cell, one per seed.
        title: says the finding.
    """
    count = min(len(labels), _MOST_CELLS)
    figure = new_figure(title, height=1.2 + 0.34 * count)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    percent = [[100 * one for one in cell] for cell in accuracies[:count]]
    _bars(left, percent, digits=1)
    _bars(right, seconds[:count], digits=1)
    names = [shorten(label, _LONGEST_LABEL) for label in labels[:count]]
    left.set_yticks(range(count), names)
    left.set(xlabel="Validation accuracy (%)", ylim=(count - 0.4, -0.6))
    right.set(xlabel="Training time (s)")
    right.tick_params(axis="y", left=False)
    for axes in (left, right):
        _grid(axes, "x")
    size = SMALL if max(map(len, names), default=0) < _LONGEST_LABEL / 2 else SMALLEST
    left.tick_params(axis="y", labelsize=size)
    if count < len(labels):
        left.set_title(f"the best {count} of {len(labels)} cells", fontsize=SMALL)
    return figure


@styled
def main_effects(effects: Mapping[str, Mapping[str, Sequence[float]]], *, title: str) -> Figure:
    """Draws, for each setting, the mean accuracy of its values over all combinations of the others.

    Args:
        effects: setting to value to its mean accuracy with each seed, in [0, 1].
        title: says the finding.
    """
    columns = min(len(effects), 4)
    rows = -(-len(effects) // columns)
    figure = new_figure(title, height=3.2 * rows)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(effects) :]:
        axes.set_visible(False)
    for axes, (setting, by_value) in zip(grid.flat, effects.items(), strict=False):
        numbers = 100 * np.array(list(by_value.values()), dtype=np.float64)
        places = np.arange(len(numbers))
        sd = numbers.std(axis=1, ddof=1) if numbers.shape[1] > 1 else np.zeros(len(numbers))
        axes.plot(places, numbers, ".", color=GREY, markersize=5)
        axes.errorbar(places, numbers.mean(axis=1), yerr=sd, fmt="o-", color=BLUE, capsize=4, linewidth=1.8)
        longest = max(map(len, by_value))
        slanted = longest * len(by_value) > 72 / columns  # characters side by side
        axes.set_xticks(places, [shorten(one, 16) for one in by_value], rotation=35 if slanted else 0)
        axes.set(xlabel=setting, xlim=(-0.5, len(numbers) - 0.5))
        axes.margins(y=0.12)
        _grid(axes, "y")
    for axes in grid[:, 0]:
        axes.set_ylabel("Validation accuracy (%)")
    return figure


def _look(number: int, count: int, *, is_ordered: bool) -> tuple[object, str, str]:
    """Returns colour, dash and marker of a line; many values shade from dark to light, many names do not.

    Names that share a colour, every seventh, differ in dash and marker.
    """
    if is_ordered and count > len(SERIES):
        return colormaps["viridis"](0.92 * number / (count - 1)), DASHES[number % len(DASHES)], "."
    turn = number // len(SERIES)
    dash = DASHES[(number if count <= len(SERIES) else turn) % len(DASHES)]
    return SERIES[number % len(SERIES)], dash, MARKERS[turn % len(MARKERS)]


def _band(axes: Axes, values: Values, look: tuple[object, str, str], *, label: str) -> None:
    color, dash, marker = look
    epochs = np.arange(1, values.shape[1] + 1)
    mean = values.mean(axis=0)
    shown = marker if len(epochs) <= _MOST_MARKERS else ""
    axes.plot(epochs, mean, color=color, linestyle=dash, marker=shown, label=label)
    if len(values) > 1:
        sd = values.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - sd, mean + sd, color=color, alpha=0.15, linewidth=0)


def _bars(axes: Axes, cells: Sequence[Sequence[float]], *, digits: int) -> None:
    """Draws bars from zero with their mean ± sd written behind them, and the seeds as dots."""
    places = np.arange(len(cells))
    means = np.array([np.mean(one) if len(one) else 0.0 for one in cells])
    sds = np.array([np.std(one, ddof=1) if len(one) > 1 else 0.0 for one in cells])
    axes.barh(places, means, color=BLUE, alpha=0.55, height=0.62)
    axes.hlines(places, means - sds, means + sds, color=INK, linewidth=1.6)
    for place, one in enumerate(cells):
        axes.plot(one, [place] * len(one), ".", color=INK, markersize=4)
        spread = f" ± {sds[place]:.{digits}f}" if len(one) > 1 else ""
        text = f"{means[place]:.{digits}f}{spread}" if len(one) else "not trained"
        end = max([means[place] + sds[place], *one])
        axes.annotate(
            text, (end, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=SMALLEST
        )
    top = max([*(means + sds), *(value for one in cells for value in one), 1e-9])
    axes.set_xlim(0, 1.32 * top)  # room for the numbers behind the bars


def _grid(axes: Axes, axis: str = "both") -> None:
    axes.grid(True, axis=axis, color=GREY, alpha=0.25, linewidth=0.8)  # type: ignore[arg-type] # one of three words
    axes.set_axisbelow(True)
    plain_ticks(axes)
