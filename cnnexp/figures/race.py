"""A race of algorithms: curves that should lie on each other, and times that should not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnnexp.figures.style import GREY, INK, SMALL, new_figure, plain_ticks, styled
from cnnexp.figures.sweep import SERIES

Values = npt.NDArray[np.float64]
_WIDEST, _NARROWEST = 7.0, 1.4  # points: who comes first lies below and shows at the sides


@styled
def race_curves(
    curves: Mapping[str, Mapping[str, Values]], seconds: Mapping[str, float], *, title: str
) -> Figure:
    """Draws loss and accuracy of each algorithm over each other, and below the time of an epoch.

    Args:
        curves: algorithm to train_loss, val_loss (nats), train_accuracy, val_accuracy (in [0, 1]), each float
            (epochs,); the first is what the others are compared with.
        seconds: algorithm to the time of an epoch.
        title: says the finding.
    """
    figure = new_figure(title, height=3.6 + 0.7 + 0.32 * len(seconds))
    panels = figure.subplot_mosaic(
        [["loss", "accuracy"], ["time", "time"]], height_ratios=(3.6, 0.6 + 0.32 * len(seconds))
    )
    widths = np.linspace(_WIDEST, _NARROWEST, len(curves)) if len(curves) > 1 else [_NARROWEST]
    for number, (series, width) in enumerate(zip(curves.values(), widths, strict=True)):
        color = SERIES[number % len(SERIES)]
        _lines(panels["loss"], series, "loss", factor=1, color=color, width=float(width))
        _lines(panels["accuracy"], series, "accuracy", factor=100, color=color, width=float(width))
    for name, label in (("loss", "Loss (cross-entropy, nats)"), ("accuracy", "Accuracy (%)")):
        panels[name].set(xlabel="Epoch", ylabel=label)
        panels[name].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panels[name].margins(y=0.1)
        _grid(panels[name])
    styles = [Line2D([], [], color=INK, linestyle=dash) for dash in ("-", "--")]
    panels["loss"].legend(styles, ["validation", "train"], fontsize=SMALL)
    _bars(panels["time"], seconds)
    return figure


def _lines(
    axes: Axes, series: Mapping[str, Values], what: str, *, factor: float, color: str, width: float
) -> None:
    for part, dash in (("val", "-"), ("train", "--")):
        values = factor * series[f"{part}_{what}"]
        epochs = np.arange(1, len(values) + 1)
        marker = "o" if len(values) == 1 else ""
        axes.plot(epochs, values, color=color, linestyle=dash, linewidth=width, marker=marker)


def _bars(axes: Axes, seconds: Mapping[str, float]) -> None:
    """Draws the times on a logarithmic axis, each with its ratio to the first."""
    names, values = list(seconds), list(seconds.values())
    places = np.arange(len(names))
    colors = [SERIES[number % len(SERIES)] for number in range(len(names))]
    axes.barh(places, values, color=colors, height=0.62)
    for place, value in enumerate(values):
        ratio = f"  ({value / values[0]:,.2f} × {names[0]})" if place else ""
        axes.annotate(
            f"{value:,.2f} s{ratio}", (value, place), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=SMALL,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yticks(places, names)
    axes.set(xlabel="Time of an epoch (s, logarithmic)", ylim=(len(names) - 0.4, -0.6))
    axes.set_xlim(min(values) / 3, max(values) * (max(values) / min(values)) ** 0.35 * 6)
    _grid(axes)


def _grid(axes: Axes) -> None:
    axes.grid(True, color=GREY, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    plain_ticks(axes)
