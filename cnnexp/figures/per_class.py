"""Recall and precision of every class, hardest class on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from cnnexp.figures.style import BLUE, GREY, ORANGE, SMALL, SMALLEST, new_figure, plain_ticks, shorten, styled

_MANY_CLASSES = 30
_MOST_CLASSES = 120  # a longer page is no picture any more


@styled
def per_class(matrix: npt.NDArray[np.integer], class_names: Sequence[str], *, title: str) -> Figure:
    """Draws recall and precision per class as two dots on a line, sorted by recall; at most the 120 hardest.

    Args:
        matrix: int (K, K), images of true class (row) predicted as class (column).
        class_names: by label, K.
        title: says the finding.
    """
    matrix = np.asarray(matrix)
    right, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    recall = 100 * np.divide(right, support, out=np.full(len(matrix), np.nan), where=support > 0)
    precision = 100 * np.divide(right, predicted, out=np.full(len(matrix), np.nan), where=predicted > 0)
    order = np.argsort(recall, kind="stable")[:_MOST_CLASSES]  # classes without images sort last
    lowest = 10 * np.floor(np.nanmin([recall, precision], initial=100) / 10)
    many = len(order) > _MANY_CLASSES
    rows = np.arange(len(order))
    figure = new_figure(title, height=1.3 + len(order) * (0.145 if many else 0.3))
    axes = figure.add_subplot()
    axes.hlines(rows, recall[order], precision[order], color=GREY, linewidth=1.5)
    axes.plot(recall[order], rows, "o", color=BLUE, label="recall: of the images of the class, found")
    axes.plot(
        precision[order],
        rows,
        "D",
        color=ORANGE,
        markersize=5,
        label="precision: of those taken for it, right",
    )
    axes.set_yticks(rows, [f"{shorten(class_names[index], 28)} ({support[index]})" for index in order])
    axes.set(xlabel="Percent (behind each class: its number of images)", xlim=(lowest - 2, 102))
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.grid(True, color=GREY, alpha=0.25, linewidth=0.8)
    plain_ticks(axes, size=SMALLEST if many else SMALL)
    if len(order) < len(matrix):
        axes.set_title(f"the {len(order)} classes of lowest recall, of {len(matrix)}")
    figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL)
    return figure
