"""A published curve, a few points of it, beside the curves of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnexp.figures.style import BLUE, GREY, INK, ORANGE, new_figure, plain_ticks, styled

Values = npt.NDArray[np.float64]
_COLORS = {"train": BLUE, "val": ORANGE}
_WORDS = {"train": "training", "val": "validation"}


@styled
def published_curves(
    ours: Mapping[str, Values], points: Mapping[str, Sequence[tuple[float, float]]], *, title: str
) -> Figure:
    """Draws loss (left) and accuracy (right): ours as lines with a band of ± 1 sd, the published as diamonds.

    Args:
        ours: train_loss, val_loss (nats), train_accuracy, val_accuracy (in [0, 1]), float (seeds, epochs).
        points: of the same names, pairs (epoch, value) as published.
        title: says the finding.
    """
    figure = new_figure(title, height=3.9)
    loss, accuracy = figure.subplots(1, 2)
    for part in ("train", "val"):
        _lines(loss, part, ours[f"{part}_loss"], points.get(f"{part}_loss", ()), factor=1)
        _lines(accuracy, part, ours[f"{part}_accuracy"], points.get(f"{part}_accuracy", ()), factor=100)
    for axes, label in ((loss, "Loss (cross-entropy, nats)"), (accuracy, "Accuracy (%)")):
        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.margins(y=0.1)
        axes.grid(True, color=GREY, alpha=0.25, linewidth=0.8)
        plain_ticks(axes)
    handles, labels = loss.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _lines(
    axes: Axes, part: str, ours: Values, points: Sequence[tuple[float, float]], *, factor: float
) -> None:
    color, word = _COLORS[part], _WORDS[part]
    epochs = np.arange(1, ours.shape[1] + 1)
    mean = factor * ours.mean(axis=0)
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(epochs, mean, color=color, marker=marker, label=f"ours, {word} (mean of {len(ours)})")
    if len(ours) > 1:
        sd = factor * ours.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - sd, mean + sd, color=color, alpha=0.22, linewidth=0)
    if points:
        at, values = zip(*points, strict=True)
        axes.plot(
            at, [factor * value for value in values], "D", color=color, markeredgecolor=INK, markersize=6,
            label=f"published, {word}",
        )  # fmt: skip
