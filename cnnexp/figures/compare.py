"""Two or more classifiers beside each other: accuracies, confusion matrices, images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm, TwoSlopeNorm
from matplotlib.figure import Figure

from cnnexp.figures.confusion import annotate_cells, name_classes, rate_texts
from cnnexp.figures.images import UInt8Images, image_grid
from cnnexp.figures.style import (
    BLUE,
    GREY,
    INK,
    SMALL,
    SMALLEST,
    WIDTH,
    new_figure,
    plain_ticks,
    shorten,
    styled,
)

Rates = npt.NDArray[np.float64]
_PANEL = 0.33 * WIDTH * 72  # points: side of one of two heat maps side by side
_BELOW = 0.6 * WIDTH * 72  # and of the one below
_NAMED_PANEL = 16  # classes that are named beside a small heat map
_COLUMNS = 6
_MOST_IMAGES = 24
_MOST_GROUPS = 40


@styled
def accuracy_dots(
    values: Mapping[str, Sequence[float]],
    intervals: Sequence[tuple[float, float] | None],
    *,
    measure: str,
    about: str,
    title: str,
) -> Figure:
    """Draws each group's mean accuracy with its 95 % interval, and a dot for each run.

    Args:
        values: label to an accuracy per run, in [0, 1], best first; at most 40 groups are drawn.
        intervals: of the means; None where there is none.
        measure: what the accuracy is of.
        about: what the interval is of.
        title: says the finding.
    """
    count = min(len(values), _MOST_GROUPS)
    figure = new_figure(title, height=1.3 + 0.36 * count)
    axes = figure.add_subplot()
    shown = zip(range(count), list(values.items())[:count], intervals[:count], strict=True)
    for place, (_, numbers), interval in shown:
        percent = 100 * np.array(numbers)
        if interval is not None:
            axes.hlines(place, 100 * interval[0], 100 * interval[1], color=BLUE, linewidth=2.4, alpha=0.6)
        axes.plot(percent, np.full(len(percent), place), ".", color=INK, markersize=5, zorder=3)
        axes.plot(percent.mean(), place, "o", color=BLUE, markersize=8, zorder=2)
    axes.set_yticks(range(count), [shorten(name, 36) for name in list(values)[:count]])
    axes.set(xlabel=f"{measure} (%)", ylim=(count - 0.4, -0.6))
    axes.set_title(about, fontsize=SMALL)
    axes.grid(True, axis="x", color=GREY, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    plain_ticks(axes)
    return figure


@styled
def confusion_difference(
    first: npt.NDArray[np.integer],
    second: npt.NDArray[np.integer],
    class_names: Sequence[str],
    *,
    labels: tuple[str, str],
    title: str,
) -> Figure:
    """Draws two confusion matrices side by side in percent of the true class, and below their difference.

    Args:
        first: int (K, K), images of true class (row) predicted as class (column).
        second: likewise.
        class_names: by label, K.
        labels: what the two are called.
        title: says the finding.
    """
    few = len(class_names) <= 3  # noqa: PLR2004
    figure = new_figure(title, height=7.2 if few else 9.6)
    panels = figure.subplot_mosaic(
        [["first", "second"], ["difference", "difference"]], height_ratios=(1, 1.1 if few else 1.65)
    )
    rates = [_rates(matrix) for matrix in (first, second)]
    for axes, matrix, percent, label in zip(
        (panels["first"], panels["second"]), (first, second), rates, labels, strict=True
    ):
        image = axes.imshow(
            percent, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=100), interpolation="nearest"
        )
        texts = rate_texts(percent, np.asarray(matrix).sum(axis=1))
        _finish(axes, image.to_rgba(percent), texts, side=_PANEL)
        axes.set_title(f"{shorten(label, 34)}: % of the true class", fontsize=SMALL)
        _name_small(axes, class_names, with_rows=axes is panels["first"])
    _draw_difference(panels["difference"], rates[0] - rates[1], class_names, labels=labels)
    return figure


def _draw_difference(
    axes: Axes, points: Rates, class_names: Sequence[str], *, labels: tuple[str, str]
) -> None:
    most = max(1.0, float(np.abs(points).max(initial=0.0)))
    # The sign's meaning differs on the diagonal, where more is better: the title says so.
    image = axes.imshow(points, cmap="PuOr_r", norm=TwoSlopeNorm(0, -most, most), interpolation="nearest")
    texts = np.char.replace(np.char.mod("%+.0f", points), "-", "−")
    texts[np.abs(points) < 0.5] = ""  # noqa: PLR2004 - would round to 0
    annotated = _finish(axes, image.to_rgba(points), texts, side=_BELOW)
    name_classes(axes, class_names)
    one, other = (shorten(label, 24) for label in labels)
    # Below, for names of many classes stand above.
    meaning = f"{one} minus {other}, in points: on the diagonal + is better, beside it − is"
    axes.set(xlabel=f"Predicted class\n{meaning}", ylabel="True class")
    if not annotated:
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, label="points")
        plain_ticks(bar.ax)


def _finish(axes: Axes, colors: Rates, texts: npt.NDArray[np.str_], *, side: float) -> bool:
    """Writes numbers into the cells where they are readable; returns whether they are."""
    axes.spines[:].set_visible(False)
    longest = max(2, *(len(text) for text in texts.flat))
    size = min(11.0, 0.8 * side / len(texts) / (0.62 * longest))
    if size >= SMALLEST - 1:
        annotate_cells(axes, colors, texts, size=size)
        return True
    return False


def _name_small(axes: Axes, class_names: Sequence[str], *, with_rows: bool) -> None:
    """Names the classes of a small heat map; those of many stand at the large one below."""
    count = len(class_names)
    if count > _NAMED_PANEL:
        axes.set(xticks=[], yticks=[])
        return
    names = [shorten(name, 12) for name in class_names]
    axes.set_xticks(range(count), names, rotation=0 if count <= 3 else 90)  # noqa: PLR2004
    axes.set_yticks(range(count), names if with_rows else [""] * count)
    plain_ticks(axes, size=SMALLEST)


def _rates(matrix: npt.NDArray[np.integer]) -> Rates:
    support = np.maximum(np.asarray(matrix).sum(axis=1), 1)[:, None]
    percent: Rates = 100 * np.asarray(matrix, dtype=np.float64) / support
    return percent


@styled
def disagreements(images: UInt8Images, captions: Sequence[str], *, title: str) -> Figure:
    """Draws images that one classifier has right and another wrong, at most 24.

    Args:
        images: uint8 (N, C, H, W), C = 1 or 3.
        captions: below each: what it is, and what it was taken for.
        title: says the finding.
    """
    return image_grid(
        images[:_MOST_IMAGES],
        captions[:_MOST_IMAGES],
        title=title,
        columns=_COLUMNS,
        nothing="No such image.",
    )
