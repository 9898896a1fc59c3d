"""Pictures of a data set: for few and many classes, and for images of any shape."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cnnexp.figures.data import class_balance, image_pairs, image_sizes, mean_images, suspected_labels


@pytest.mark.parametrize(("num_classes", "drawn"), [(1, 1), (2, 2), (10, 10), (100, 100), (400, 120)])
def test_every_class_has_a_bar_as_long_as_it_has_images(num_classes: int, drawn: int) -> None:
    counts = np.random.default_rng(0).integers(1, 50, (2, num_classes))
    figure = class_balance(
        counts, [f"class {one}" for one in range(num_classes)], ("train", "test"), title="x"
    )
    figure.draw_without_rendering()
    (axes,) = figure.axes
    lengths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert len(lengths) == 2 * drawn
    totals = np.array(lengths[:drawn]) + lengths[drawn:]
    assert totals.tolist() == sorted(totals, reverse=True)
    assert totals[0] == counts.sum(axis=0).max()
    labels = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert not any(one.overlaps(other) for one, other in pairwise(labels))


@pytest.mark.parametrize("sizes", [[(64, 64)], [(30, 20), (30, 20), (40, 90)], [(20, 20), (4000, 3000)]])
def test_sizes_of_any_spread_are_inside_the_axes(sizes: list[tuple[int, int]]) -> None:
    widths, heights = np.array(sizes).T
    figure = image_sizes(widths, heights, frame=(48, 64), title="x")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    left, right = axes.get_xlim()
    assert all(left < side < right for side in (*widths, *heights, 48, 64))
    assert (axes.get_xscale() == "log") == (4000 in widths)


def test_a_pair_is_one_picture_of_both_with_a_gap() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 20, 30), dtype=np.uint8)
    figure = image_pairs(images, images[::-1], ["exact"] * 3, title="x")
    (first, *_) = figure.axes[0].images
    shown = np.asarray(first.get_array())
    assert shown.shape == (20, 62, 3)
    np.testing.assert_array_equal(shown[:, :30], images[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(shown[:, 32:], images[2].transpose(1, 2, 0))
    assert (shown[:, 30:32] == 255).all()


def test_mean_images_end_after_120_and_doubtful_labels_say_both_classes() -> None:
    means = np.zeros((130, 1, 6, 6), np.uint8)
    assert len(mean_images(means, [str(one) for one in range(130)], title="x").axes[0].images) == 120
    figure = suspected_labels(means[:1], ["car"], ["bus"], np.array([0.97]), title="x")
    texts = [" ".join(text.get_text().split()) for text in figure.axes[0].texts]
    assert "labelled car, looks like bus (97 %)" in texts
