"""Pictures of comparisons are readable from 2 to 100 classes, and their signs say which is better."""

from __future__ import annotations

import numpy as np
import pytest

from cnnexp.figures.compare import accuracy_dots, confusion_difference, disagreements
from cnnexp.figures.seeds import seed_curves


def matrix_of(classes: int, right: int) -> np.ndarray:
    return np.full((classes, classes), 1) + right * np.eye(classes, dtype=np.int64)


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_two_matrices_and_their_difference_are_drawn(classes: int) -> None:
    names = [f"class {label}" for label in range(classes)]
    figure = confusion_difference(
        matrix_of(classes, 90), matrix_of(classes, 10), names, labels=("a", "b"), title="a is better"
    )
    figure.draw_without_rendering()
    first, second, difference = figure.axes[:3]
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == (
        "a: % of the true class",
        "b: % of the true class",
    )
    points = np.asarray(difference.images[0].get_array())
    assert (np.diag(points) > 0).all()
    assert points[0, 1] < 0
    assert bool(difference.texts) == (classes < 100)
    shown = [label.get_text() for tick in difference.yaxis.get_major_ticks()
             for label in (tick.label1, tick.label2) if label.get_visible()]  # fmt: skip
    assert sorted(shown) == sorted(names)


def test_the_sign_of_a_cell_is_written() -> None:
    figure = confusion_difference(
        np.array([[9, 1], [5, 5]]), np.array([[5, 5], [5, 5]]), "ab", labels=("a", "b"), title=""
    )
    assert {text.get_text() for text in figure.axes[2].texts} == {"+40", "−40", ""}


def test_equal_matrices_have_no_difference() -> None:
    same = matrix_of(2, 5)
    figure = confusion_difference(same, same, "ab", labels=("a", "b"), title="")
    figure.draw_without_rendering()
    assert {text.get_text() for text in figure.axes[2].texts} == {""}


def test_every_run_is_a_dot_and_every_interval_a_line() -> None:
    figure = accuracy_dots(
        {"a": [0.5, 0.6], "b": [0.4]}, [(0.4, 0.7), None], measure="Test accuracy", about="", title=""
    )
    (axes,) = figure.axes
    assert [len(np.asarray(line.get_xdata())) for line in axes.lines] == [2, 1, 1, 1]
    assert len(axes.collections) == 1


def test_images_are_shown_up_to_two_dozen_and_none_is_said() -> None:
    images = np.zeros((30, 1, 8, 8), np.uint8)
    assert len(disagreements(images, ["x"] * 30, title="t").axes[0].images) == 24
    texts = disagreements(images[:0], [], title="t").axes[0].texts
    assert any("No such image" in text.get_text() for text in texts)


def test_curves_of_seeds_end_their_mean_with_the_shortest() -> None:
    long, short = np.linspace(1, 0, 5), np.linspace(1, 0, 3)
    curves = {f"{part}/{name}": [long, short] for part in ("train", "val") for name in ("loss", "accuracy")}
    loss = seed_curves(curves, title="t").axes[0]
    lengths = [len(np.asarray(line.get_xdata())) for line in loss.lines]
    assert lengths == [5, 3, 3, 5, 3, 3]
    assert len(loss.collections) == 2
