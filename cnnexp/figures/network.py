"""A network as boxes and arrows, the image on top."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from cnnexp.figures.lanes import Lanes, lay_out
from cnnexp.figures.style import (
    GREY,
    INK,
    SMALL,
    SMALLEST,
    WIDTH,
    new_canvas,
    shorten,
    styled,
    text_height,
    wrap,
)

FILLS = {
    "convolution": "#cfe3f1", "linear": "#f8dccb", "pool": "#cdeadf", "block": "#e3dcef", "join": "#ffffff",
}  # fmt: skip
_GAP, _PAD = 0.26, 0.07  # inches: between levels, and around text
_WIDEST, _NARROW = 4.6, 0.3  # inches: of a box, and of a lane that has arrows only
_CHARACTER = 0.6 * SMALLEST / 72  # inches
_BOLD = 0.72 * SMALL / 72  # likewise, in a title
_ON_PAGE = WIDTH - 0.3


@styled
def network_graph(
    boxes: Sequence[tuple[str, str, str]], arrows: Sequence[tuple[int, int]], *, title: str
) -> Figure:
    """Draws a network from top to bottom, branches side by side.

    Args:
        boxes: title, text and role (convolution, linear, pool, block, join, other) of each, in order.
        arrows: pairs of positions, each from a lower to a higher one.
        title: says what is shown.
    """
    lanes = lay_out(len(boxes), arrows)
    centers, width = _across(lanes)
    texts = [wrap(text, max(8, int((width - 2 * _PAD) / _CHARACTER))) for _, text, _ in boxes]
    heights = [_height(text) for text in texts]
    rows = [max(h for h, at in zip(heights, lanes.level, strict=True) if at == row) for row in _rows(lanes)]
    figure, axes, top = new_canvas(title, height=sum(rows) + _GAP * (len(rows) + 1))
    tops = [top + _GAP + sum(rows[:row]) + _GAP * row for row in range(len(rows))]
    middles = [tops[at] + rows[at] / 2 for at in lanes.level]
    for start, end in arrows:
        sides = (middles[start] + heights[start] / 2, middles[end] - heights[end] / 2)
        gaps = (tops[lanes.level[start]] + rows[lanes.level[start]], tops[lanes.level[end]])
        across = (centers[lanes.lane[start]], centers[lanes.arrow_lane[start, end]], centers[lanes.lane[end]])
        _arrow(axes, across, sides, (gaps[0] + 0.4 * _GAP, gaps[1] - 0.5 * _GAP))
    for (name, _, role), text, lane, middle, high in zip(
        boxes, texts, lanes.lane, middles, heights, strict=True
    ):
        _box(
            axes,
            (centers[lane], middle),
            (width, high),
            shorten(name, int((width - 2 * _PAD) / _BOLD)),
            text,
            role,
        )
    return figure


def _rows(lanes: Lanes) -> range:
    return range(max(lanes.level) + 1)


def _height(text: str) -> float:
    return text_height(1, SMALL) + text_height(text.count("\n") + 1, SMALLEST) + 2 * _PAD


def _across(lanes: Lanes) -> tuple[list[float], float]:
    """Returns the middle of each lane, and the width of boxes, in inches."""
    with_boxes = set(lanes.lane)
    num_narrow = lanes.num_lanes - len(with_boxes)
    narrow = min(_NARROW, 0.3 * _ON_PAGE / max(1, num_narrow))
    pitch = min(_WIDEST + 0.2, (_ON_PAGE - num_narrow * narrow) / len(with_boxes))
    widths = [pitch if lane in with_boxes else narrow for lane in range(lanes.num_lanes)]
    left = (WIDTH - sum(widths)) / 2
    return [left + sum(widths[:lane]) + widths[lane] / 2 for lane in range(lanes.num_lanes)], pitch - 0.2


def _arrow(
    axes: Axes, across: tuple[float, float, float], sides: tuple[float, float], gaps: tuple[float, float]
) -> None:
    """Draws an arrow down: out of a box, over to its lane, down that, over to the other box, and in."""
    start, lane, end = across
    bends = [(start, sides[0])]
    if lane != start:
        bends += [(start, gaps[0]), (lane, gaps[0])]
    if end != lane:
        bends += [(lane, gaps[1]), (end, gaps[1])]
    axes.plot(*zip(*bends, (end, sides[1]), strict=True), color=GREY, linewidth=1.1, zorder=1)
    axes.plot(end, sides[1] - 0.03, marker=(3, 0, 180), color=GREY, markersize=5, zorder=1)


def _box(
    axes: Axes, center: tuple[float, float], size: tuple[float, float], title: str, text: str, role: str
) -> None:
    (x, y), (width, height) = center, size
    if role == "join":
        width = min(width, 1.6)
    corner = (x - width / 2, y - height / 2)
    shape = "round,pad=0,rounding_size=0.06"
    axes.add_patch(
        FancyBboxPatch(corner, width, height, shape, facecolor=FILLS.get(role, "#f2f2f2"), edgecolor=GREY)
    )
    top = y - height / 2 + _PAD
    axes.text(x, top, title, fontsize=SMALL, fontweight="bold", ha="center", va="top", color=INK)
    axes.text(x, top + text_height(1, SMALL), text, fontsize=SMALLEST, ha="center", va="top", linespacing=1.1)
