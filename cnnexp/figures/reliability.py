"""The reliability diagram: how often a classifier is right, against how sure it says it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnexp.figures.style import BLUE, GREY, INK, ORANGE, SMALL, new_figure, plain_ticks, styled


class Bins(Protocol):
    """Confidence against accuracy in B bins of equal width; nan where a bin is empty."""

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """Float (B + 1,), from 0 to 1."""
        ...

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Images, int (B,)."""
        ...

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """Mean probability of the predicted class, float (B,)."""
        ...

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Share of images that are right, float (B,)."""
        ...


@styled
def reliability_diagram(
    found: Sequence[tuple[str, Bins]], *, title: str, chance: float | None = None
) -> Figure:
    """Draws accuracy over confidence, a panel for each of one or two sets of bins, images below.

    Args:
        found: what a panel's title says (its calibration error, say), and its bins.
        title: says the finding.
        chance: confidence cannot be lower than 1 / K; marked where it is given.
    """
    figure = new_figure(title, height=5.2)
    grid = figure.subplots(2, len(found), sharex=True, squeeze=False, gridspec_kw={"height_ratios": (3, 1)})
    for column, (caption, bins) in enumerate(found):
        _accuracy(grid[0, column], bins, chance)
        grid[0, column].set_title(caption)
        _images(grid[1, column], bins)
    grid[0, 0].set_ylabel("Right (%)")
    grid[1, 0].set_ylabel("Images")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=SMALL)
    return figure


def _accuracy(axes: Axes, bins: Bins, chance: float | None) -> None:
    filled = bins.counts > 0
    left, width = 100 * bins.edges[:-1][filled], 100 * np.diff(bins.edges)[filled]
    said, right = 100 * bins.confidence[filled], 100 * bins.accuracy[filled]
    axes.plot((0, 100), (0, 100), color=INK, linestyle=":", linewidth=1.2, label="right as often as said")
    axes.bar(left, right, width, align="edge", color=BLUE, edgecolor="white", label="right")
    low = np.minimum(said, right)
    axes.bar(
        *(left, np.abs(said - right), width, low),
        align="edge",
        facecolor="none",
        edgecolor=ORANGE,
        hatch="////",
        linewidth=0,
        label="gap to what was said (the mean probability, a line)",
    )
    axes.hlines(said, left, left + width, color=ORANGE, linewidth=2)
    if chance is not None:
        axes.axvline(100 * chance, color=GREY, linewidth=1, label="chance: no confidence is lower")
    axes.set(xlim=(0, 100), ylim=(0, 100))
    axes.grid(True, axis="y", color=GREY, alpha=0.25, linewidth=0.8)
    plain_ticks(axes)


def _images(axes: Axes, bins: Bins) -> None:
    axes.bar(100 * bins.edges[:-1], bins.counts, 100 * np.diff(bins.edges), align="edge", color=GREY)
    axes.set_xlabel("Probability of the predicted class (%)")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3, min_n_ticks=1))
    plain_ticks(axes)
