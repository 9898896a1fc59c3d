"""Where the boxes of a network go, and how it is drawn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.patches import FancyBboxPatch

from cnnexp import figures
from cnnexp.figures.lanes import lay_out

CHAIN = [(n, n + 1) for n in range(4)]
SKIP = [(0, 1), (1, 2), (2, 3), (0, 3)]  # an identity beside two layers
FOUR_WAYS = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (2, 5), (3, 5), (4, 5)]


def test_a_chain_stands_in_one_lane() -> None:
    lanes = lay_out(5, CHAIN)
    assert (lanes.lane, lanes.level, lanes.num_lanes) == ((0,) * 5, (0, 1, 2, 3, 4), 1)


def test_what_skips_boxes_goes_down_beside_them() -> None:
    lanes = lay_out(4, SKIP)
    assert lanes.lane == (0, 0, 0, 0)
    assert lanes.arrow_lane[0, 3] == 1


def test_branches_stand_side_by_side() -> None:
    lanes = lay_out(6, FOUR_WAYS)
    assert sorted(lanes.lane[1:5]) == [0, 1, 2, 3]
    assert lanes.lane[0] == lanes.lane[5] == 0
    assert len(set(lanes.level[1:5])) == 1


def test_no_two_boxes_share_a_place() -> None:
    for arrows, count in ((CHAIN, 5), (SKIP, 4), (FOUR_WAYS, 6)):
        lanes = lay_out(count, arrows)
        assert len(set(zip(lanes.level, lanes.lane, strict=True))) == count


def test_boxes_lie_apart_within_the_page_and_hold_their_text() -> None:
    text = "Conv2d 3×3, stride 2 · BatchNorm2d → 64×112×112"
    boxes = [(f"block{number}.branch{number}.a.long.name", text, "convolution") for number in range(6)]
    figure = figures.network_graph(boxes, FOUR_WAYS, title="four ways")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    drawn = [patch.get_window_extent() for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    assert len(drawn) == 6
    for box in drawn:
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    rows = sorted(drawn[1:5], key=lambda box: float(box.x0))
    assert all(left.x1 < right.x0 for left, right in pairwise(rows))
    for written in axes.texts:
        extent = written.get_window_extent()
        if "four ways" not in written.get_text():
            assert any(box.x0 <= extent.x0 and extent.x1 <= box.x1 for box in drawn), written.get_text()


def test_an_image_and_its_heat_stand_side_by_side() -> None:
    images = np.full((2, 1, 8, 8), 90, np.uint8)
    maps = np.zeros((2, 8, 8))
    maps[0, :4] = 1
    figure = figures.attention(images, maps, [("a", "b"), ("c", "d")], title="heat")
    plain, hot, _, cold = (np.asarray(picture.get_array()) for picture in figure.axes[0].images)
    assert (hot[:4] != plain[:4]).any()
    assert (hot[4:] == plain[4:]).all()
    assert (cold == plain).all()
