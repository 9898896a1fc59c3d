"""Grids of images: what stands under them, and that the images themselves stay as they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure

from cnnexp.figures import mistakes, sample_batch

NAMES = ("bus", "car", "truck")


def images_of(count: int, *, channels: int = 3) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, channels, 12, 9), dtype=np.uint8)


def texts(figure: Figure) -> list[str]:
    return [" ".join(text.get_text().split()) for text in figure.axes[0].texts if text.get_text()]


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_drawn_as_it_is_with_the_name_of_its_class(channels: int) -> None:
    images = images_of(5, channels=channels)
    figure = sample_batch(images, np.array([0, 2, 1, 1, 0]), NAMES, title="a batch")
    assert texts(figure) == ["a batch", "bus", "truck", "car", "car", "bus"]
    drawn = figure.axes[0].images
    assert len(drawn) == 5
    for image, artist in zip(images, drawn, strict=True):
        shown = np.asarray(artist.get_array())
        expected = image[0] if channels == 1 else np.moveaxis(image, 0, -1)
        np.testing.assert_array_equal(shown, expected)
    assert drawn[0].get_clim() == (0, 255), "a dark grey image must not be stretched to white"


def test_w8_a_picture_leaves_the_images_untouched() -> None:
    images, labels = images_of(8), np.array([0, 1, 2, 0, 1, 2, 0, 1])
    before = images.copy()
    images.setflags(write=False)  # writing through a view of them would raise
    for figure in (
        sample_batch(images, labels, NAMES),
        mistakes(images, labels, labels[::-1], np.ones(8), NAMES, title=""),
    ):
        figure.draw_without_rendering()
        for artist in figure.axes[0].images:
            assert not np.shares_memory(np.asarray(artist.get_array()), images)
    np.testing.assert_array_equal(images, before)


def test_images_keep_their_shape_and_none_covers_another() -> None:
    figure = sample_batch(images_of(20), np.zeros(20, int), NAMES, columns=6)
    boxes = [artist.get_window_extent() for artist in figure.axes[0].images]
    for position, box in enumerate(boxes):
        assert box.height / box.width == pytest.approx(12 / 9)
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height
        assert not any(box.overlaps(other) for other in boxes[:position])


def test_a_caption_stays_within_its_cell_however_long_the_name() -> None:
    long = ("Northern white-breasted hedgehog (juvenile)", "aquarium_fish_of_the_deep_sea_" * 4)
    figure = sample_batch(images_of(8), np.arange(8) % 2, long, columns=8)
    captions = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert len(captions) == 8
    for position, box in enumerate(captions):
        assert box.y0 >= 0
        assert not any(box.overlaps(other) for other in captions[:position])
    assert "(juvenile)" in texts(figure)[0], "the end of a long name tells it from its neighbour"


def test_mistakes_are_the_most_confident_ones_first() -> None:
    true = np.array([0, 1, 2, 0, 1])
    predicted = np.array([0, 2, 0, 1, 1])
    figure = mistakes(images_of(5), true, predicted, np.array([0.99, 0.5, 0.98, 0.7, 0.9]), NAMES, title="")
    assert texts(figure) == [
        "is truck, taken for bus (98 %)",
        "is bus, taken for car (70 %)",
        "is car, taken for truck (50 %)",
    ]
    np.testing.assert_array_equal(
        np.asarray(figure.axes[0].images[0].get_array()), np.moveaxis(images_of(5)[2], 0, -1)
    )


def test_mistakes_end_after_four_rows() -> None:
    figure = mistakes(
        images_of(40),
        np.zeros(40, int),
        np.ones(40, int),
        np.linspace(0.5, 1, 40),
        NAMES,
        title="",
        columns=5,
    )
    assert len(figure.axes[0].images) == 20


def test_a_model_without_mistakes_is_told_so() -> None:
    labels = np.array([0, 1, 2])
    figure = mistakes(images_of(3), labels, labels, np.ones(3), NAMES, title="")
    assert texts(figure) == ["No mistakes: every image is right."]
    assert not figure.axes[0].images


@pytest.mark.parametrize(
    "images", [np.zeros((2, 3, 4, 4)), np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4, 3), np.uint8)]
)
def test_images_of_another_layout_are_refused(images: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"uint8 \(N, 1 or 3, H, W\)"):
        sample_batch(images, np.zeros(2, int), NAMES)
