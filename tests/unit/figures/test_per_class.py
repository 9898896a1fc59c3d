"""Recall and precision per class."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from cnnexp.figures import per_class


def dots(figure: Figure, label: str) -> np.ndarray:
    (found,) = [one for one in figure.axes[0].lines if str(one.get_label()).startswith(label)]
    return np.asarray(found.get_xdata(), dtype=float)


def names(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_recall_is_over_rows_and_precision_over_columns_hardest_class_first() -> None:
    figure = per_class(np.array([[8, 2], [6, 4]]), ("cat", "dog"), title="")
    assert names(figure) == ["dog (10)", "cat (10)"]
    np.testing.assert_allclose(dots(figure, "recall"), [40, 80])
    np.testing.assert_allclose(dots(figure, "precision"), [100 * 4 / 6, 100 * 8 / 14])
    bottom, top = figure.axes[0].get_ylim()
    assert bottom > top, "the first row stands on top"


def test_a_class_without_images_or_never_predicted_has_no_dot() -> None:
    figure = per_class(np.array([[0, 0], [0, 5]]), ("ghost", "dog"), title="")
    assert names(figure) == ["dog (5)", "ghost (0)"]
    assert np.isnan(dots(figure, "recall")[1])
    assert np.isnan(dots(figure, "precision")[1])


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_every_class_is_named_and_no_name_covers_another(classes: int) -> None:
    labels = [f"class number {label}" for label in range(classes)]
    figure = per_class(np.eye(classes, dtype=int) + 1, labels, title="")
    figure.draw_without_rendering()
    assert sorted(names(figure)) == sorted(f"{name} ({classes + 1})" for name in labels)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(boxes))


def test_more_classes_than_a_page_holds_show_the_hardest_and_say_so() -> None:
    matrix = np.diag(np.arange(1, 201))
    matrix[:, 0] += 10
    figure = per_class(matrix, [str(label) for label in range(200)], title="")
    assert len(names(figure)) == 120
    assert figure.axes[0].get_title(loc="left") == "the 120 classes of lowest recall, of 200"
