"""Images in a grid, each with a caption: a batch as the model sees it, and the mistakes it is surest of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from cnnexp.figures.style import SMALL, WIDTH, new_canvas, shorten, styled, text_height, wrap

UInt8Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.integer]

_MARGIN = 0.12  # inches, around the grid and between its cells
_FEWEST_COLUMNS = 4  # a few images are not blown up over the whole width
_MISTAKE_ROWS = 4
_LONGEST_NAME = 26  # characters: three lines under an image


@styled
def sample_batch(
    images: UInt8Images, labels: Labels, class_names: Sequence[str], *, title: str = "", columns: int = 8
) -> Figure:
    """Draws images in a grid, each with the name of its class.

    Args:
        images: uint8 (N, C, H, W), C = 1 (grey) or 3 (colour); only read.
        labels: int (N,).
        class_names: by label.
        title: says what is shown.
        columns: images in a row.

    Raises:
        ValueError: the images are not uint8 (N, C, H, W) with one or three channels.
    """
    return image_grid(
        images, [shorten(class_names[label], _LONGEST_NAME) for label in labels], title=title, columns=columns
    )


@styled
def mistakes(
    images: UInt8Images,
    true_labels: Labels,
    predicted_labels: Labels,
    probabilities: npt.NDArray[np.floating],
    class_names: Sequence[str],
    *,
    title: str,
    columns: int = 6,
) -> Figure:
    """Draws the most confident mistakes, at most four rows: "is Shirt, taken for T-shirt (98 %)".

    Args:
        images: uint8 (N, C, H, W), rightly and wrongly classified ones alike; only read.
        true_labels: int (N,).
        predicted_labels: int (N,).
        probabilities: float (N,), in [0, 1]: what the model gave the class it predicted.
        class_names: by label.
        title: says the finding.
        columns: images in a row.

    Raises:
        ValueError: the images are not uint8 (N, C, H, W) with one or three channels.
    """
    wrong = np.flatnonzero(np.asarray(true_labels) != np.asarray(predicted_labels))
    surest = wrong[np.argsort(-np.asarray(probabilities)[wrong], kind="stable")][: columns * _MISTAKE_ROWS]
    names = [shorten(name, _LONGEST_NAME) for name in class_names]
    captions = [
        f"is {names[true_labels[index]]},\ntaken for {names[predicted_labels[index]]}\n"
        f"({100 * probabilities[index]:.0f} %)"
        for index in surest
    ]
    return image_grid(
        images[surest], captions, title=title, columns=columns, nothing="No mistakes: every image is right."
    )


def image_grid(
    images: UInt8Images, captions: Sequence[str], *, title: str, columns: int, nothing: str = "No images."
) -> Figure:
    """Draws images in a grid with a caption below each; to be called within a styled function.

    Raises:
        ValueError: the images are not uint8 (N, C, H, W) with one or three channels.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in {1, 3}:  # noqa: PLR2004 - N, C, H, W
        raise ValueError(f"images must be uint8 (N, 1 or 3, H, W), not {images.dtype} {images.shape}")
    count, _, rows, cols = images.shape
    columns = min(columns, max(count, _FEWEST_COLUMNS))
    cell = (WIDTH - _MARGIN) / columns
    side = cell - _MARGIN
    scale = min(side / cols, 1.5 * side / rows)  # a very tall image shrinks rather than stretch the page
    wide, high = cols * scale, rows * scale
    captions = [_caption(text, side) for text in captions]
    lines = max((text.count("\n") + 1 for text in captions), default=1)
    pitch = high + text_height(lines, SMALL) + _MARGIN
    figure, axes, top = new_canvas(title, height=max(1, -(-count // columns)) * pitch + _MARGIN)
    if not count:
        axes.text(WIDTH / 2, top + pitch / 2, nothing, ha="center", va="center")
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = _MARGIN + index % columns * cell + (side - wide) / 2
        upper = top + _MARGIN / 2 + index // columns * pitch
        pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        extent = (left, left + wide, upper + high, upper)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")
        axes.text(left + wide / 2, upper + high + 0.03, caption, fontsize=SMALL, ha="center", va="top")
    return figure


def _caption(text: str, width: float) -> str:
    """Returns a caption in lines of at most `width` inches; a word longer than that loses its middle."""
    characters = max(6, int(width * 72 / (0.55 * SMALL)) + 1)
    words = (" ".join(shorten(word, characters) for word in line.split()) for line in text.splitlines())
    return wrap("\n".join(words), characters)
