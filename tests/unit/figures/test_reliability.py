from __future__ import annotations

import numpy as np
import pytest

from cnnexp.figures import reliability_diagram
from cnnexp.results.calibration import Reliability, reliability


def bins(classes: int, count: int) -> Reliability:
    generator = np.random.default_rng(classes)
    probabilities = generator.dirichlet(np.full(classes, 0.3), size=count)
    return reliability(probabilities, generator.integers(classes, size=count))


@pytest.mark.parametrize(("classes", "count"), [(2, 1), (2, 12), (10, 3000), (100, 800)])
def test_every_bin_with_images_has_its_bar_and_what_was_said(classes: int, count: int) -> None:
    found = bins(classes, count)
    figure = reliability_diagram([("one", found), ("two", found)], title="made", chance=1 / classes)
    figure.draw_without_rendering()
    filled = int((found.counts > 0).sum())
    accuracy, images = figure.axes[0], figure.axes[2]
    assert len(figure.axes) == 4
    assert len(accuracy.patches) == 2 * filled  # what was right, and the gap
    heights = [100 * value for value in found.accuracy[found.counts > 0]]
    assert [bar.get_height() for bar in accuracy.containers[0]] == pytest.approx(heights)
    assert sum(bar.get_height() for bar in images.containers[0]) == count
