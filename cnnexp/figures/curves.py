"""Loss and accuracy over the epochs of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnexp.figures.style import BLUE, GREY, INK, ORANGE, new_figure, plain_ticks, styled

Values = npt.NDArray[np.float64]

_MOST_MARKERS = 40  # more would hide the line


@styled
def learning_curves(
    history: Sequence[Mapping[str, float]], *, best_epoch: int, monitor: str, title: str
) -> Figure:
    """Draws loss (left) and accuracy (right), train and validation, with the best epoch marked.

    Args:
        history: one mapping an epoch: epoch, train_loss, train_accuracy, val_loss, val_accuracy (in nats, and
            in [0, 1]); values that are not finite leave a gap.
        best_epoch: the epoch whose weights were kept; marked if it is in the history.
        monitor: what it is best in: `val/loss` or `val/accuracy`.
        title: says the finding.
    """
    figure = new_figure(title, height=3.9)
    loss, accuracy = figure.subplots(1, 2)
    epochs = _column(history, "epoch")
    for axes, name, factor in ((loss, "loss", 1.0), (accuracy, "accuracy", 100.0)):
        train, val = (factor * _column(history, f"{part}_{name}") for part in ("train", "val"))
        _panel(axes, epochs, train=train, val=val)
        if best_epoch in epochs:
            label = f"best epoch: {best_epoch} (by {monitor})"
            axes.axvline(best_epoch, color=INK, linestyle=":", linewidth=1.2, label=label)
            value = val[epochs == best_epoch][-1]
            axes.plot(best_epoch, value, "o", color=ORANGE, markeredgecolor=INK, markersize=7)
            text = f"{value:.1f} %" if name == "accuracy" else f"{value:.3f}"
            axes.set_title(f"validation at epoch {best_epoch}: {text}")
    loss.set_ylabel("Loss (cross-entropy, nats)")
    accuracy.set_ylabel("Accuracy (%)")
    handles, labels = loss.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, epochs: Values, *, train: Values, val: Values) -> None:
    marker = "." if len(epochs) <= _MOST_MARKERS else ""
    axes.plot(epochs, train, color=BLUE, linestyle="--", marker=marker, label="train")
    axes.plot(epochs, val, color=ORANGE, marker=marker, label="validation")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(y=0.1)
    axes.grid(True, color=GREY, alpha=0.25, linewidth=0.8)
    plain_ticks(axes)
    if not np.isfinite([train, val]).any():
        axes.set_yticks([])
        box = {"facecolor": "white", "edgecolor": "none"}
        axes.text(0.5, 0.5, "no finite value", transform=axes.transAxes, ha="center", va="center", bbox=box)


def _column(history: Sequence[Mapping[str, float]], name: str) -> Values:
    values = np.array([row[name] for row in history], dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)
