"""The confusion matrix as a heat map: from 2 classes to some hundreds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from cnnexp.figures.style import SMALL, SMALLEST, WIDTH, ink_on, new_figure, plain_ticks, shorten, styled

_NAMES_PER_SIDE = 50  # as many as are readable one below the other
_SQUARE = 0.72 * WIDTH * 72  # points: side of the heat map that remains beside the names
_FEW_CLASSES = 3


@styled
def confusion_matrix(
    matrix: npt.NDArray[np.integer], class_names: Sequence[str], *, title: str, normalize: bool
) -> Figure:
    """Draws a confusion matrix: a row for each true class, a column for each predicted one.

    Cells carry their number as long as it is readable. Above 50 classes names alternate between two sides.

    Args:
        matrix: int (K, K), images of true class (row) predicted as class (column).
        class_names: by label, K.
        title: says the finding.
        normalize: show percent of the true class instead of counts; a class without images shows dashes.
    """
    matrix = np.asarray(matrix)
    support = matrix.sum(axis=1)
    values = 100 * matrix / np.maximum(support, 1)[:, None] if normalize else matrix.astype(np.float64)
    height = 5.2 if len(matrix) <= _FEW_CLASSES else 7.9 if len(matrix) <= _NAMES_PER_SIDE else 9.0
    figure = new_figure(title, height=height)
    axes = figure.add_subplot()
    # The square root lifts rare mistakes out of the white, beside a diagonal that is a hundred times larger.
    norm = PowerNorm(0.5, vmin=0, vmax=100 if normalize else values.max())
    image = axes.imshow(values, cmap="Blues", norm=norm, interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.set(xlabel="Predicted class", ylabel="True class")
    name_classes(axes, class_names)
    unit = "% of the true class's images" if normalize else "images"
    texts = rate_texts(values, support) if normalize else matrix.astype(str)
    longest = max(2, *(len(text) for text in texts.flat))  # a lone digit, too, needs its height
    size = min(11.0, 0.75 * _SQUARE / len(matrix) / (0.62 * longest))
    if size >= SMALLEST:
        axes.set_title(f"In the cells: {unit}", fontsize=SMALL)
        annotate_cells(axes, image.to_rgba(values), texts, size=size)
    else:
        bar = figure.colorbar(image, location="bottom", shrink=0.6, aspect=40, label=unit)
        plain_ticks(bar.ax)
    return figure


def rate_texts(percent: npt.NDArray[np.float64], support: npt.NDArray[np.integer]) -> npt.NDArray[np.str_]:
    """Returns whole percent (K, K) that never round a rare mistake away, nor a class up to perfect."""
    texts = np.char.mod("%.0f", percent)
    texts[(percent > 0) & (percent < 0.5)] = "<1"  # noqa: PLR2004 - would round to 0
    texts[(percent < 100) & (percent >= 99.5)] = ">99"  # noqa: PLR2004 - would round to 100
    texts[support == 0] = "–"
    return texts


def annotate_cells(
    axes: Axes, colors: npt.NDArray[np.floating], texts: npt.NDArray[np.str_], *, size: float
) -> None:
    """Writes a text (K, K) into each cell, dark or light as its colour, float (K, K, 4), asks for."""
    for (row, column), text in np.ndenumerate(texts):
        color = ink_on(colors[row, column])
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=size)


def name_classes(axes: Axes, class_names: Sequence[str]) -> None:
    """Names rows and columns; many names alternate between both sides, more than that are named in steps."""
    count = len(class_names)
    sides = 1 if count <= _NAMES_PER_SIDE else 2
    named = range(0, count, -(-count // (sides * _NAMES_PER_SIDE)))
    names = [shorten(class_names[index], 24 if sides == 1 else 16) for index in named]
    flat = count * max(len(name) for name in names) <= 70  # noqa: PLR2004 - characters side by side
    slanted = not flat and count <= _NAMES_PER_SIDE / 2
    axes.set_xticks(named, names, rotation=0 if flat else 45 if slanted else 90)
    axes.set_yticks(named, names)
    size = SMALLEST if count > _NAMES_PER_SIDE / 2 else SMALL
    plain_ticks(axes, size=size)
    if slanted:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    if sides == 2:  # noqa: PLR2004
        for axis in (axes.xaxis, axes.yaxis):
            for position, tick in enumerate(axis.get_major_ticks()):
                first = position % 2 == 0
                tick.tick1line.set_visible(first)
                tick.label1.set_visible(first)
                tick.tick2line.set_visible(not first)
                tick.label2.set_visible(not first)
