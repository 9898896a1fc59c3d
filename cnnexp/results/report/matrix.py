"""The confusion matrix with what lies behind its cells: which test images, and how sure the network was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnexp.results.recorded import Predictions
from cnnexp.results.report.thumbnails import data_uri

if TYPE_CHECKING:
    from cnnexp.results.report.images import RunImages

MOST_SHOWN = 50  # images of a cell
IMAGE_CHARACTERS = 5_500_000  # of all images together: the file stays under 10 MB
SHADES = 7  # steps of colour, 0 is none


@dataclass(slots=True)
class Entry:
    """One test image behind a cell.

    Attributes:
        name: its file, or its numbers in the test part and in the whole set.
        probability: that the network gave the class it predicted, in [0, 1].
        uri: the image; empty where it cannot be shown.
    """

    name: str
    probability: float
    uri: str = ""

    def compact(self) -> list[object]:
        """Returns what the page's script reads."""
        return [self.name, round(self.probability, 4), self.uri]


@dataclass(slots=True)
class MatrixCell:
    """A pair of a true and a predicted class.

    Attributes:
        true, predicted: labels.
        count: test images.
        shade: 0 to `SHADES`, by the share of the true class's images.
        entries: those that can be opened; of mistakes the surest first, of right ones the least sure first.
    """

    true: int
    predicted: int
    count: int
    shade: int
    entries: list[Entry] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """On the diagonal."""
        return self.true == self.predicted

    @property
    def compact(self) -> list[list[object]]:
        """What the page's script reads."""
        return [entry.compact() for entry in self.entries]


def matrix_cells(
    matrix: NDArray[np.int64], predictions: Predictions, images: RunImages | None
) -> list[list[MatrixCell]]:
    """Returns a row of cells per true class, those with images filled until the file would grow too large."""
    support = matrix.sum(axis=1)
    cells = [
        [MatrixCell(true, other, int(count), _shade(count, support[true])) for other, count in enumerate(row)]
        for true, row in enumerate(matrix)
    ]
    behind = [
        (cell, rows_behind(predictions, cell.true, cell.predicted)[:MOST_SHOWN])
        for row in cells
        for cell in row
        if cell.count
    ]
    _fill(behind, predictions, images)
    return cells


def rows_behind(predictions: Predictions, true: int, predicted: int) -> NDArray[np.int64]:
    """Returns the positions in the test part of the images of a cell, the most telling first."""
    found = np.flatnonzero((predictions.labels == true) & (predictions.predicted == predicted))
    sure = predictions.probability[found]
    return found[np.argsort(sure if true == predicted else -sure, kind="stable")]


def name_of(row: int, position: int, images: RunImages | None) -> str:
    """Returns what an image is called: its file, or its number in the test part as `cnnexp look` takes it."""
    name = images.name_of(row) if images else f"image {row}"
    return f"test:{position}, row {row}" if name == f"image {row}" else name


def worst_mistakes(predictions: Predictions, count: int) -> list[int]:
    """Returns the positions of the mistakes that the network was surest of."""
    wrong = np.flatnonzero(~predictions.correct)
    order = np.argsort(-predictions.probability[wrong], kind="stable")
    found: list[int] = wrong[order][:count].tolist()
    return found


def _fill(
    behind: Sequence[tuple[MatrixCell, NDArray[np.int64]]], predictions: Predictions, images: RunImages | None
) -> None:
    """Goes round the cells, an image each, so that a large file is cut alike for all."""
    characters = 0
    for turn in range(MOST_SHOWN):
        turns = [(cell, int(positions[turn])) for cell, positions in behind if turn < len(positions)]
        rows = [int(predictions.images[position]) for _, position in turns]
        uris = [data_uri(one) for one in images.read(rows)] if images and rows else [""] * len(rows)
        for (cell, position), row, uri in zip(turns, rows, uris, strict=True):
            name = name_of(row, position, images)
            cell.entries.append(Entry(name, float(predictions.probability[position]), uri))
            characters += len(uri)
        if characters > IMAGE_CHARACTERS:
            return


def _shade(count: int, support: int) -> int:
    """The square root lifts rare mistakes out of the white, as in the figure."""
    return 0 if not count else max(1, round(SHADES * math.sqrt(count / support)))
