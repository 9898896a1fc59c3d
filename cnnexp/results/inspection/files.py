"""An inspection as files: figures, tables, a summary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cnnexp.experiment.tables import csv_table
from cnnexp.figures.data import class_balance, image_pairs, image_sizes, mean_images, suspected_labels
from cnnexp.results.inspection.inspect import Inspection
from cnnexp.results.inspection.text import (
    FINDINGS_HEADER,
    class_rows,
    differs,
    finding_rows,
    summary_of,
)

FIGURES = ("balance.png", "mean_images.png", "sizes.png", "duplicates.png", "suspected_labels.png")
TABLES = ("summary.md", "classes.csv", "findings.csv")
MOST_SHOWN = 24  # pairs, or images


def write_inspection(found: Inspection, folder: Path) -> Iterator[Path]:
    """Writes tables and figures and yields each file; what an earlier inspection left is removed.

    Args:
        found: what is written.
        folder: that exists.
    """
    for name in (*FIGURES, *TABLES):
        (folder / name).unlink(missing_ok=True)
    tables = (
        summary_of(found),
        csv_table(*class_rows(found)),
        csv_table(FINDINGS_HEADER, finding_rows(found)),
    )
    for name, text in zip(TABLES, tables, strict=True):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        yield path
    for name, figure in draw(found).items():
        figure.savefig(folder / name)
        yield folder / name


def draw(found: Inspection) -> dict[str, Figure]:
    """Returns the figures by file name; of what there is nothing to see there is none."""
    images, classes = len(found.good), len(found.class_names)
    drawn = {
        "balance.png": class_balance(
            found.counts,
            found.class_names,
            found.part_names,
            title=f"{found.name}: {images:,} images of {classes} classes",
        ),
        "mean_images.png": mean_images(
            found.means,
            ("all images", *found.class_names),
            title=f"{found.name}: the mean image, and that of each class",
        ),
    }
    if found.files is not None and len(found.files.widths):
        drawn["sizes.png"] = _sizes(found)
    if found.exact or len(found.near):
        drawn["duplicates.png"] = _pairs(found)
    if found.suspects is not None and len(found.suspects):
        drawn["suspected_labels.png"] = _suspects(found)
    return drawn


def _sizes(found: Inspection) -> Figure:
    assert found.files is not None
    widths, heights, frame = found.files.widths, found.files.heights, found.decoded.frame
    title = (
        f"{found.name}: files of {widths.min()} to {widths.max()} by {heights.min()} to {heights.max()} "
        f"pixels, read as {frame.width}×{frame.height}"
    )
    return image_sizes(widths, heights, frame=(frame.height, frame.width), title=title)


def _pairs(found: Inspection) -> Figure:
    exact = [(int(group[0]), int(row), "exact") for group in found.exact for row in group[1:]]
    near = found.near
    nearly = [
        (int(first), int(second), f"near, {similarity:.3f}")
        for first, second, similarity in zip(near.first, near.second, near.similarity, strict=True)
    ]
    # What crosses parts or has two labels harms most; sorting keeps exact before near, the likest first.
    pairs = sorted(exact + nearly, key=lambda pair: -sum(differs(found, pair[:2])))[:MOST_SHOWN]
    captions = [f"{_places(found, one, other)}\n{kind}" for one, other, kind in pairs]
    title = f"{found.name}: exact copies: {len(exact):,}; pairs that are nearly the same: {len(near):,}"
    first, second = (found.images(np.array([pair[side] for pair in pairs])) for side in (0, 1))
    if len(pairs) < len(exact) + len(nearly):
        title += f"; {len(pairs)} shown"
    return image_pairs(first, second, captions, title=title)


def _places(found: Inspection, one: int, other: int) -> str:
    """Returns class and, where there are several, part of two images."""
    parts = [f" ({found.part_name(row)})" if len(found.part_names) > 1 else "" for row in (one, other)]
    first, second = (f"{found.class_name(row)}{part}" for row, part in zip((one, other), parts, strict=True))
    return f"both {first}" if first == second else f"{first} and {second}"


def _suspects(found: Inspection) -> Figure:
    one = found.suspects
    assert one is not None
    rows, says = one.rows[:MOST_SHOWN], one.says[:MOST_SHOWN]
    title = (
        f"{found.name}: the {len(rows)} labels most contradicted, by a classifier that is right on "
        f"{100 * one.accuracy:.0f} %"
    )
    labels = [found.class_name(int(row)) for row in rows]
    taken_for = [found.class_names[int(label)] for label in says]
    return suspected_labels(found.images(rows), labels, taken_for, one.probability[:MOST_SHOWN], title=title)
