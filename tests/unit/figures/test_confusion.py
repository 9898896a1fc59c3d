"""The confusion matrix: truth in rows, names and numbers readable from 2 to 100 classes and beyond."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cnnexp.figures import confusion_matrix


def matrix_of(classes: int) -> npt.NDArray[np.int64]:
    """A matrix in which no cell equals its mirror image."""
    cells = np.arange(classes * classes).reshape(classes, classes) % 97
    return cells + 500 * np.eye(classes, dtype=np.int64)


def names_of(classes: int) -> list[str]:
    return [f"class {label}" for label in range(classes)]


def cells(figure: Figure) -> dict[tuple[int, int], str]:
    """Texts in the cells by (row, column)."""
    found = {}
    for text in figure.axes[0].texts:
        column, row = text.get_position()
        found[int(row), int(column)] = text.get_text()
    return found


def shown_names(axis: Axis) -> list[str]:
    ticks = axis.get_major_ticks()
    return [label.get_text() for tick in ticks for label in (tick.label1, tick.label2) if label.get_visible()]


@pytest.mark.parametrize("classes", [2, 10])
def test_rows_are_the_truth_and_columns_the_prediction(classes: int) -> None:
    matrix = matrix_of(classes)
    figure = confusion_matrix(matrix, names_of(classes), title="", normalize=False)
    axes = figure.axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("True class", "Predicted class")
    assert cells(figure) == {where: str(count) for where, count in np.ndenumerate(matrix)}
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), matrix)
    bottom, top = axes.get_ylim()
    assert bottom > top, "the first true class stands on top"


def test_rates_add_up_over_the_true_class_and_hide_nothing() -> None:
    matrix = np.array([[996, 3, 1], [0, 1, 1], [0, 0, 4]])
    figure = confusion_matrix(matrix, names_of(3), title="", normalize=True)
    np.testing.assert_allclose(np.asarray(figure.axes[0].images[0].get_array()).sum(axis=1), 100)
    texts = cells(figure)
    assert [texts[0, column] for column in range(3)] == [">99", "<1", "<1"]
    assert [texts[1, column] for column in range(3)] == ["0", "50", "50"]
    assert [texts[2, column] for column in range(3)] == ["0", "0", "100"]
    assert "% of the true class" in figure.axes[0].get_title(loc="left")


def test_a_true_class_without_images_has_no_rate() -> None:
    matrix = np.array([[0, 0], [1, 3]])
    figure = confusion_matrix(matrix, names_of(2), title="", normalize=True)
    assert cells(figure) == {(0, 0): "–", (0, 1): "–", (1, 0): "25", (1, 1): "75"}
    assert np.isfinite(np.asarray(figure.axes[0].images[0].get_array())).all()


@pytest.mark.parametrize("classes", [2, 60])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_matrix_without_images_is_still_drawn(classes: int, normalize: bool) -> None:
    empty = np.zeros((classes, classes), int)
    figure = confusion_matrix(empty, names_of(classes), title="", normalize=normalize)
    figure.draw_without_rendering()
    assert set(cells(figure).values()) == (set() if classes == 60 else {"–" if normalize else "0"})


def test_text_is_white_on_dark_cells_and_dark_on_light_ones() -> None:
    figure = confusion_matrix(np.array([[100, 0], [0, 100]]), names_of(2), title="", normalize=True)
    brightness = {text.get_text(): sum(to_rgb(text.get_color())) for text in figure.axes[0].texts}
    assert brightness["100"] > 2.5
    assert brightness["0"] < 0.5


@pytest.mark.parametrize("classes", [2, 10, 40, 100])
def test_every_class_is_named_on_both_axes(classes: int) -> None:
    figure = confusion_matrix(matrix_of(classes), names_of(classes), title="", normalize=True)
    figure.draw_without_rendering()
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        assert shown_names(axis) == names_of(classes)


@pytest.mark.parametrize("classes", [2, 10, 26, 50, 100, 300])
@pytest.mark.parametrize("name", ["class {}", "a rather long class name, number {}"])
def test_no_name_covers_another(classes: int, name: str) -> None:
    names = [name.format(label) for label in range(classes)]
    figure = confusion_matrix(matrix_of(classes), names, title="", normalize=True)
    figure.draw_without_rendering()
    for side in ("label1", "label2"):
        labels = [getattr(tick, side) for tick in figure.axes[0].yaxis.get_major_ticks()]
        boxes = [label.get_window_extent() for label in labels if label.get_visible()]
        assert_apart([(-box.y1, -box.y0) for box in boxes])
        labels = [getattr(tick, side) for tick in figure.axes[0].xaxis.get_major_ticks()]
        if labels[0].get_rotation() in {0, 90}:  # boxes of slanted names always cross
            assert_apart(
                [(box.x0, box.x1) for box in (a.get_window_extent() for a in labels if a.get_visible())]
            )


def assert_apart(spans: Sequence[tuple[float, float]]) -> None:
    for (_, end), (start, _) in pairwise(spans):
        assert start > end - 2, "pixels: a line box has a little air above and below its letters"


def test_many_classes_show_a_colour_scale_instead_of_numbers() -> None:
    figure = confusion_matrix(matrix_of(100), names_of(100), title="", normalize=True)
    assert not cells(figure)
    assert figure.axes[1].get_xlabel() == "% of the true class's images"


def test_large_counts_are_left_out_before_they_run_into_each_other() -> None:
    few = confusion_matrix(matrix_of(20), names_of(20), title="", normalize=False)
    large = confusion_matrix(matrix_of(20) * 10_000, names_of(20), title="", normalize=False)
    assert cells(few)
    assert not cells(large)


@pytest.mark.parametrize(("classes", "scale"), [(2, 100_000), (10, 10), (20, 1), (26, 1)])
def test_numbers_stay_within_their_cells(classes: int, scale: int) -> None:
    for normalize in (False, True):
        figure = confusion_matrix(
            matrix_of(classes) * scale, names_of(classes), title="", normalize=normalize
        )
        figure.draw_without_rendering()
        width = figure.axes[0].get_window_extent().width / classes
        assert all(text.get_window_extent().width <= width for text in figure.axes[0].texts)
