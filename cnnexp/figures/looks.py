"""What a trained network has learned: its first filters, its feature maps, and where it looks (Grad-CAM)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnexp.figures.images import UInt8Images, image_grid
from cnnexp.figures.style import SMALL, WIDTH, new_canvas, shorten, styled, text_height

Floats = npt.NDArray[np.floating]

MOST_FILTERS, MAPS_A_ROW = 64, 8
_RGB = 3
_HEAT = 0.7  # share of the heat's colour where it is greatest
_LABEL, _MARGIN = 1.15, 0.06  # inches: the column of layer names; around maps


@styled
def filters(weights: Floats, *, title: str) -> Figure:
    """Draws the first layer's filters, at most 64, on one scale.

    Args:
        weights: float (K, C, R, S). Of three channels a filter is a colour picture (grey: weight 0); else the
            mean over the channels is drawn: blue below 0, white 0, red above.
        title: says what is shown.
    """
    shown = weights[:MOST_FILTERS]
    scaled = shown / max(float(np.abs(shown).max(initial=0.0)), 1e-12)
    if weights.shape[1] == _RGB:
        pictures = _to_uint8(0.5 + 0.5 * scaled)
    else:
        colors = mpl.colormaps["RdBu_r"](0.5 + 0.5 * scaled.mean(axis=1))[..., :_RGB]
        pictures = _to_uint8(colors.transpose(0, 3, 1, 2))
    return image_grid(pictures, [str(number) for number in range(len(shown))], title=title, columns=8)


@styled
def attention(
    images: UInt8Images, maps: Floats, captions: Sequence[tuple[str, str]], *, title: str
) -> Figure:
    """Draws images in pairs: as they are, and under the heat of Grad-CAM.

    Args:
        images: uint8 (N, C, H, W).
        maps: float (N, H, W) in [0, 1].
        captions: below each image, and below its heat.
        title: says what is shown.
    """
    colored = np.repeat(images, _RGB, axis=1) if images.shape[1] == 1 else images
    heat = mpl.colormaps["inferno"](maps)[..., :_RGB].transpose(0, 3, 1, 2)
    share = _HEAT * maps[:, None]
    under = _to_uint8((1 - share) * colored / 255 + share * heat)
    pairs = np.stack([colored, under], axis=1).reshape(-1, *colored.shape[1:])
    return image_grid(pairs, [text for pair in captions for text in pair], title=title, columns=6)


@styled
def feature_maps(image: npt.NDArray[np.uint8], maps: Mapping[str, Floats], *, title: str) -> Figure:
    """Draws an image, and for each layer the maps that vary most, each on a scale of its own.

    Args:
        image: uint8 (C, H, W).
        maps: float (C, H, W) of each layer, in order.
        title: says what is shown.
    """
    cell = (WIDTH - _LABEL - _MARGIN) / MAPS_A_ROW
    side = cell - 2 * _MARGIN
    ratio = min(1.5, image.shape[1] / image.shape[2])
    pitch = side * ratio + text_height(1, SMALL) + 2 * _MARGIN
    figure, axes, top = new_canvas(title, height=(len(maps) + 1) * pitch + _MARGIN)
    box = (side, side * ratio)
    _label(axes, top + box[1] / 2, f"image\n{image.shape[1]}×{image.shape[2]}")
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    _picture(axes, pixels, (_LABEL, top), box, cmap="gray", limits=(0, 255))
    for row, (name, of_layer) in enumerate(maps.items(), start=1):
        upper = top + row * pitch
        _label(axes, upper + box[1] / 2, f"{shorten(name, 17)}\n{of_layer.shape[1]}×{of_layer.shape[2]}")
        liveliest = np.sort(np.argsort(-of_layer.std(axis=(1, 2)), kind="stable")[:MAPS_A_ROW])
        for column, channel in enumerate(liveliest):
            corner = (_LABEL + column * cell, upper)
            values = of_layer[channel]
            _picture(axes, values, corner, box, cmap="viridis", limits=(values.min(), values.max()))
            below = upper + box[1] + 0.02
            axes.text(corner[0] + side / 2, below, str(channel), fontsize=SMALL, ha="center", va="top")
    return figure


def _picture(
    axes: Axes,
    values: npt.NDArray[np.generic],
    corner: tuple[float, float],
    box: tuple[float, float],
    *,
    cmap: str,
    limits: tuple[float, float],
) -> None:
    (left, upper), (width, height) = corner, box
    extent = (left, left + width, upper + height, upper)
    axes.imshow(values, cmap=cmap, vmin=limits[0], vmax=limits[1], extent=extent, aspect="auto")


def _label(axes: Axes, middle: float, text: str) -> None:
    axes.text(_MARGIN, middle, text, fontsize=SMALL, ha="left", va="center")


def _to_uint8(values: Floats) -> UInt8Images:
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
