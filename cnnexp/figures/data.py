"""A data set in pictures: images of each class, their sizes, their mean, pairs, doubtful labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from cnnexp.figures.images import UInt8Images, image_grid
from cnnexp.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SMALL,
    SMALLEST,
    new_figure,
    plain_ticks,
    shorten,
    styled,
)

_MANY_CLASSES = 30
_MOST_CLASSES = 120  # a longer page is no picture any more
_PART_COLORS = (BLUE, ORANGE, GREEN)
_GAP = 0.06  # of an image's width, between two of a pair
_LONGEST_NAME = 26  # characters under an image


@styled
def class_balance(
    counts: npt.NDArray[np.integer], class_names: Sequence[str], part_names: Sequence[str], *, title: str
) -> Figure:
    """Draws how many images each class has, part on part; the largest class on top, at most 120 classes.

    Args:
        counts: int (P, K), of each part and class.
        class_names: by label, K.
        part_names: at most three.
        title: says the finding.
    """
    counts = np.asarray(counts)
    order = np.argsort(-counts.sum(axis=0), kind="stable")
    if len(order) > _MOST_CLASSES:  # both ends are what matters
        order = np.concatenate([order[: _MOST_CLASSES // 2], order[-_MOST_CLASSES // 2 :]])
    many = len(order) > _MANY_CLASSES
    figure = new_figure(title, height=1.3 + len(order) * (0.145 if many else 0.3))
    axes = figure.add_subplot()
    rows, left = np.arange(len(order)), np.zeros(len(order))
    for name, color, of_part in zip(part_names, _PART_COLORS, counts[:, order], strict=False):
        axes.barh(rows, of_part, left=left, color=color, label=name, height=0.75)
        left = left + of_part
    axes.axvline(counts.sum() / max(counts.shape[1], 1), color=INK, linewidth=1, linestyle=":", label="mean")
    axes.set_yticks(
        rows, [f"{shorten(class_names[one], 28)} ({int(counts[:, one].sum()):,})" for one in order]
    )
    axes.set(xlabel="Images", xlim=(0, max(float(left.max(initial=0)), 1.0) * 1.03))
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.grid(True, axis="x", color=GREY, alpha=0.25, linewidth=0.8)
    plain_ticks(axes, size=SMALLEST if many else SMALL)
    if len(order) < counts.shape[1]:
        axes.set_title(
            f"the {len(order) // 2} largest and the {len(order) // 2} smallest of {counts.shape[1]} classes"
        )
    figure.legend(loc="outside lower center", ncols=len(part_names) + 1, fontsize=SMALL)
    return figure


@styled
def image_sizes(
    widths: npt.NDArray[np.integer],
    heights: npt.NDArray[np.integer],
    *,
    frame: tuple[int, int],
    title: str,
) -> Figure:
    """Draws width and height of image files, a dot as large as there are files of that size.

    Args:
        widths: int (N,), in pixels.
        heights: int (N,), in pixels.
        frame: (height, width) that images are brought to, marked.
        title: says the finding.
    """
    sizes, counts = np.unique(np.stack([widths, heights], axis=1), axis=0, return_counts=True)
    figure = new_figure(title, height=5.6)
    axes = figure.add_subplot()
    area = 14 + 500 * counts / max(int(counts.sum()), 1)
    axes.scatter(
        sizes[:, 0], sizes[:, 1], s=area, color=BLUE, alpha=0.45, linewidths=0, label="files of one size"
    )
    axes.plot(frame[1], frame[0], "D", color=ORANGE, markersize=8, label=f"read as {frame[1]}×{frame[0]}")
    ends = np.array(
        [0.8 * min(sizes.min(initial=frame[0]), *frame), 1.15 * max(sizes.max(initial=1), *frame)]
    )
    axes.plot(ends, ends, color=GREY, linewidth=1, linestyle=":", label="square")
    axes.set(xlabel="Width (pixels)", ylabel="Height (pixels)", xlim=ends, ylim=ends)
    if ends[1] > 8 * ends[0]:  # thumbnails beside camera pictures
        axes.set(xscale="log", yscale="log")
    axes.grid(True, color=GREY, alpha=0.25, linewidth=0.8)
    plain_ticks(axes)
    figure.legend(loc="outside lower center", ncols=3, fontsize=SMALL)
    return figure


@styled
def mean_images(images: UInt8Images, names: Sequence[str], *, title: str) -> Figure:
    """Draws the mean image of the set and of its classes, at most 120.

    Args:
        images: uint8 (M, C, H, W), C = 1 or 3.
        names: what each is the mean of, M.
        title: says what is shown.
    """
    count = min(len(images), _MOST_CLASSES)
    columns = 6 if count <= _MANY_CLASSES else 10
    captions = [shorten(name, _LONGEST_NAME) for name in names[:count]]
    return image_grid(images[:count], captions, title=title, columns=columns)


@styled
def image_pairs(first: UInt8Images, second: UInt8Images, captions: Sequence[str], *, title: str) -> Figure:
    """Draws pairs of images side by side, each with a caption.

    Args:
        first: uint8 (M, C, H, W), C = 1 or 3.
        second: of the same shape.
        captions: M.
        title: says the finding.
    """
    count, channels, height, width = first.shape
    gap = np.full((count, channels, height, max(1, round(_GAP * width))), 255, np.uint8)
    joined = np.concatenate([first, gap, second], axis=3)
    return image_grid(joined, captions, title=title, columns=4, nothing="No duplicates were found.")


@styled
def suspected_labels(
    images: UInt8Images,
    labels: Sequence[str],
    says: Sequence[str],
    probabilities: npt.NDArray[np.floating],
    *,
    title: str,
) -> Figure:
    """Draws images whose label is contradicted: "labelled car, looks like bus (97 %)".

    Args:
        images: uint8 (M, C, H, W), C = 1 or 3.
        labels: names of their classes, M.
        says: names of the classes they are taken for, M.
        probabilities: float (M,), in [0, 1]: of the class they are taken for.
        title: says the finding.
    """
    names = [[shorten(name, _LONGEST_NAME) for name in of] for of in (labels, says)]
    captions = [
        f"labelled {label},\nlooks like {other}\n({_percent(share)})"
        for label, other, share in zip(*names, probabilities, strict=True)
    ]
    return image_grid(images, captions, title=title, columns=6, nothing="No label is contradicted.")


def _percent(share: float) -> str:
    """Returns whole percent; a classifier is never quite sure."""
    return ">99 %" if share >= 0.995 else f"{100 * share:.0f} %"  # noqa: PLR2004 - would round to 100
