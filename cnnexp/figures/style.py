"""One style for every picture: colours, sizes, and how a figure is made without pyplot's global state.

A figure is 8 inches wide, so at 800 pixels a point is 1.4 pixels: the smallest text (7 pt) is 10 pixels high.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from matplotlib import font_manager, style
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

WIDTH = 8.0  # inches
TITLE, TEXT, SMALL, SMALLEST = 13.0, 10.0, 8.5, 7.0  # points

# Okabe and Ito, "Color universal design" (2008): told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8A8A8A", "#222222"

_RC: dict[str, Any] = {
    "figure.dpi": 150,
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$5 note"
    "axes.labelsize": TEXT,
    "axes.titlesize": TEXT,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
# DejaVu (which matplotlib brings) has no Chinese, Japanese or Korean; one of these is on most machines.
_FALLBACK_FONTS = (
    "Noto Sans CJK JP",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Droid Sans Fallback",
)
_TITLE_CHARACTERS = 72
_EVEN_LUMINANCE = 0.179  # here black and white have the same contrast (WCAG 2)

Parameters = ParamSpec("Parameters")


def styled(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Decorates a function that makes a figure: it draws in our style whatever the caller's rcParams say."""

    @wraps(draw)
    def draw_in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        installed = set(font_manager.fontManager.get_font_names())
        fonts = ["DejaVu Sans", *(name for name in _FALLBACK_FONTS if name in installed)]
        with style.context({**_RC, "font.family": fonts}, after_reset=True):
            return draw(*args, **kwargs)

    return draw_in_style


def new_figure(title: str, *, height: float) -> Figure:
    """Returns a figure that lays itself out, of the common width and a height in inches below the title."""
    lines = _title_lines(title)
    figure = Figure(
        figsize=(WIDTH, height + text_height(len(lines), TITLE)),
        layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08),
    )
    if lines:
        figure.suptitle("\n".join(lines), fontsize=TITLE)
    return figure


def new_canvas(title: str, *, height: float) -> tuple[Figure, Axes, float]:
    """Returns a figure with one bare axes measured in inches from the top left, and where the title ends.

    Args:
        title: wrapped over as many lines as it needs.
        height: inches below the title.
    """
    lines = _title_lines(title)
    top = 0.12 + text_height(len(lines), TITLE)
    figure = Figure(figsize=(WIDTH, top + height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(top + height, 0))
    axes.text(WIDTH / 2, 0.1, "\n".join(lines), fontsize=TITLE, ha="center", va="top")
    return figure, axes, top


def _title_lines(title: str) -> list[str]:
    """Returns a title over as few lines as it needs, all about as long."""
    fewest = -(-len(title) // _TITLE_CHARACTERS)
    balanced = wrap(title, len(title) // fewest + 8) if fewest > 1 else title
    return balanced.splitlines()


def text_height(lines: int, size: float) -> float:
    """Returns the height in inches of some lines of text of a size in points."""
    return lines * size * 1.25 / 72


def plain_ticks(axes: Axes, *, size: float = SMALL) -> None:
    """Styles ticks explicitly: matplotlib makes most of them when the figure is drawn, outside our style."""
    axes.tick_params(labelsize=size, labelcolor=INK, color=GREY, length=3)


def wrap(text: str, width: int) -> str:
    """Returns the text in lines of at most `width` characters; its own line breaks stay."""
    return "\n".join(
        line for part in text.splitlines() for line in textwrap.wrap(part, width, break_on_hyphens=False)
    )


def shorten(name: str, limit: int) -> str:
    """Returns a name of at most `limit` characters; what is cut is cut from the middle.

    Long class names often share their beginning; the end tells them apart.
    """
    name = " ".join(name.split())
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return f"{name[: limit - 1 - tail]}…{name[-tail:]}"


def ink_on(color: Any) -> str:  # noqa: ANN401 - whatever matplotlib takes as a colour
    """Returns the text colour, dark or white, that stands out from a background, by its luminance."""
    red, green, blue = (part**2.2 for part in to_rgba(color)[:3])  # 2.2: sRGB's gamma, near enough
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # weights of WCAG 2
    return INK if luminance > _EVEN_LUMINANCE else "white"
