"""Loss and accuracy over the epochs of one training with several seeds: their mean with a band, and each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnexp.figures.style import BLUE, GREY, ORANGE, SMALL, new_figure, plain_ticks, styled

Values = npt.NDArray[np.float64]
_PARTS = (("train", BLUE, "--"), ("val", ORANGE, "-"))
_NAMES = {"train": "train", "val": "validation"}


@styled
def seed_curves(curves: Mapping[str, Sequence[Values]], *, title: str) -> Figure:
    """Draws loss (left) and accuracy (right), train and validation: mean, a band of ± 1 sd, each seed thin.

    Mean and band end where the first seed does: those that go on would not be the same seeds.

    Args:
        curves: `train/loss`, `val/loss` (nats), `train/accuracy`, `val/accuracy` (in [0, 1]): float (epochs,)
            for each seed; seeds may differ in length.
        title: says the finding.
    """
    figure = new_figure(title, height=3.9)
    panels = figure.subplots(1, 2)
    for axes, name, factor in zip(panels, ("loss", "accuracy"), (1.0, 100.0), strict=True):
        for part, color, dash in _PARTS:
            found = [factor * one for one in curves[f"{part}/{name}"]]
            for one in found:
                axes.plot(np.arange(1, len(one) + 1), one, color=color, linewidth=0.7, alpha=0.35)
            _mean_and_band(axes, found, color=color, dash=dash, label=f"{_NAMES[part]}, mean ± 1 sd")
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.margins(y=0.1)
        axes.grid(True, color=GREY, alpha=0.25, linewidth=0.8)
        plain_ticks(axes)
    panels[0].set_ylabel("Loss (cross-entropy, nats)")
    panels[1].set_ylabel("Accuracy (%)")
    count = len(curves["val/loss"])
    panels[0].set_title(f"thin: each of {count} seeds", fontsize=SMALL)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _mean_and_band(axes: Axes, found: Sequence[Values], *, color: str, dash: str, label: str) -> None:
    shortest = min((len(one) for one in found), default=0)
    if not shortest:
        return
    values = np.array([one[:shortest] for one in found])
    epochs, mean = np.arange(1, shortest + 1), values.mean(axis=0)
    axes.plot(epochs, mean, color=color, linestyle=dash, label=label, marker="o" if shortest == 1 else "")
    if len(values) > 1:
        sd = values.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - sd, mean + sd, color=color, alpha=0.18, linewidth=0)
