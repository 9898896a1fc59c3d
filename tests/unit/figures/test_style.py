"""What all figures share: their style, and that they leave no trace outside themselves."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from cnnexp import figures
from cnnexp.figures.style import SMALLEST, WIDTH, ink_on, shorten, wrap

NAMES = ("cat", "dog", "fish")
LABELS = np.array([0, 1, 2, 0])
IMAGES = np.full((4, 3, 8, 8), 90, np.uint8)
MATRIX = np.array([[5, 1, 0], [2, 7, 1], [0, 0, 9]])
HISTORY = [{"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.1, "val_accuracy": 0.4}]
HALVES = np.array([0.3, 0.8])
BINS = SimpleNamespace(edges=np.array([0, 0.5, 1]), counts=LABELS[:2], confidence=HALVES, accuracy=HALVES)

Draw = Callable[..., Figure]
EVERY_FIGURE: dict[str, Draw] = {
    "sample_batch": lambda title, names=NAMES: figures.sample_batch(IMAGES, LABELS, names, title=title),
    "mistakes": lambda title, names=NAMES: figures.mistakes(
        IMAGES, LABELS, LABELS[::-1], np.ones(4), names, title=title
    ),
    "learning_curves": lambda title, names=NAMES: figures.learning_curves(  # noqa: ARG005 - curves name no class
        HISTORY, best_epoch=1, monitor="val/loss", title=title
    ),
    "confusion_matrix": lambda title, names=NAMES: figures.confusion_matrix(
        MATRIX, names, title=title, normalize=False
    ),
    "filters": lambda title, names=NAMES: figures.filters(  # noqa: ARG005 - filters name no class
        np.ones((4, 1, 5, 5)), title=title
    ),
    "feature_maps": lambda title, names=NAMES: figures.feature_maps(
        IMAGES[0], {name: np.ones((2, 4, 4)) for name in names}, title=title
    ),
    "attention": lambda title, names=NAMES: figures.attention(
        IMAGES[:3], np.ones((3, 8, 8)), [(name, name) for name in names], title=title
    ),
    "network_graph": lambda title, names=NAMES: figures.network_graph(
        [(name, "Conv2d", "convolution") for name in names], [(0, 1), (1, 2), (0, 2)], title=title
    ),
    "reliability_diagram": lambda title, names=NAMES: figures.reliability_diagram(
        [(name, BINS) for name in names[:2]], title=title
    ),
    "per_class": lambda title, names=NAMES: figures.per_class(MATRIX, names, title=title),
}
every_figure = pytest.mark.parametrize("draw", EVERY_FIGURE.values(), ids=EVERY_FIGURE.keys())


def all_texts(figure: Figure) -> list[Text]:
    found = figure.findobj(lambda artist: isinstance(artist, Text) and bool(artist.get_text()))
    return [text for text in found if isinstance(text, Text)]


def test_every_public_figure_is_held_to_the_style() -> None:
    assert {name for name in figures.__all__ if name.islower()} == set(EVERY_FIGURE)


@every_figure
def test_rc_parameters_stay_as_they_were(draw: Draw) -> None:
    before = dict(mpl.rcParams)
    draw("a title").savefig(io.BytesIO())
    assert dict(mpl.rcParams) == before


@every_figure
def test_the_callers_rc_parameters_change_nothing(draw: Draw) -> None:
    plain, dark = io.BytesIO(), io.BytesIO()
    draw("a title").savefig(plain)
    with mpl.rc_context(
        {"text.color": "white", "font.size": 30, "xtick.labelsize": 30, "axes.facecolor": "black"}
    ):
        figure = draw("a title")
    figure.savefig(dark)
    assert dark.getvalue() == plain.getvalue()


@every_figure
def test_a_figure_is_800_pixels_wide_or_more_and_its_text_readable_there(draw: Draw) -> None:
    figure = draw("a title")
    figure.draw_without_rendering()
    width, _ = figure.get_size_inches()
    assert width == WIDTH
    assert width * figure.dpi >= 800
    assert min(float(text.get_fontsize()) for text in all_texts(figure)) >= SMALLEST
    assert SMALLEST / 72 * 800 / WIDTH >= 9.5, "pixels at 800 pixels width"


@every_figure
def test_a_title_wraps_instead_of_leaving_the_picture(draw: Draw) -> None:
    title = "LeNet on Fashion-MNIST: test accuracy 87.5 % ± 0.6, and then some more words " * 3
    figure = draw(title.strip())
    figure.draw_without_rendering()
    (found,) = [text for text in all_texts(figure) if "Fashion-MNIST" in text.get_text()]
    box = found.get_window_extent()
    assert " ".join(found.get_text().split()) == title.strip()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert 0 <= box.y0 < box.y1 <= figure.bbox.height


@every_figure
def test_class_names_are_no_formulas(draw: Draw) -> None:
    names = (r"$5 and $10 notes", r"$\nonsense$", "100 % _wool_^2")
    figure = draw("costs $5 to $10", names=names)
    figure.savefig(io.BytesIO())
    assert any("$" in text.get_text() for text in all_texts(figure))


def test_drawing_loads_neither_pyplot_nor_torch_nor_mlflow() -> None:
    code = """
import io, sys, numpy as np
from cnnexp import figures
figures.confusion_matrix(np.eye(3, dtype=int), "abc", title="t", normalize=True).savefig(io.BytesIO())
figures.learning_curves([], best_epoch=0, monitor="val/loss", title="t").savefig(io.BytesIO())
print(sorted({"matplotlib.pyplot", "torch", "mlflow"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"


def test_a_long_name_loses_its_middle() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("hedgehog (juvenile)", 11) == "hedge…nile)"
    assert shorten("two\nlines", 20) == "two lines"
    assert all(len(shorten("x" * 50, limit)) == limit for limit in range(4, 50))


def test_wrapping_keeps_every_word_and_line_break() -> None:
    assert wrap("one two three\nfour", 8) == "one two\nthree\nfour"


def test_ink_has_the_higher_contrast() -> None:
    assert ink_on("black") == "white"
    assert ink_on("#08306b") == "white"
    assert ink_on("white") != "white"
    assert ink_on("#9ecae1") != "white"
