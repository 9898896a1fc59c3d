from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnexp.data.arrays import ImageArrays, fit_arrays
from cnnexp.data.reading import Fit, Frame, Reading
from cnnexp.errors import DataError
from tests.unit.data.made import pixels

LABELS = [0, 1, 0, 1]
NAMES = ("a", "b")


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 6, 5, 1), (4, 1, 6, 5), (4, 3, 6, 5), (4, 6, 5, 3)])
def test_every_layout_of_images_is_read_as_height_width_channels(shape: tuple[int, ...]) -> None:
    images = pixels(0, *shape)
    ((_, found, _),) = ImageArrays(images, LABELS, NAMES).parts()
    assert found.shape == (4, 6, 5, 3 if 3 in shape[1:] else 1)
    if shape == (4, 3, 6, 5):
        assert (found[2, 3, 4] == images[2, :, 3, 4]).all()


def test_tensors_are_taken_as_well_as_arrays() -> None:
    arrays = ImageArrays(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor(LABELS), NAMES)
    assert arrays.decodable(Reading()).frame == Frame(8, 8, 3)


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (np.zeros((4, 8, 8)), LABELS, "train_images must be uint8"),
        (np.zeros((4, 8), np.uint8), LABELS, r"shape .* not \(4, 8\)"),
        (np.zeros((4, 2, 8, 8), np.uint8), LABELS, "1 or 3 channels"),
        (np.zeros((4, 8, 8), np.uint8), [0, 1], "must be 4 whole numbers"),
        (np.zeros((4, 8, 8), np.uint8), [0.0, 1.0, 0.0, 1.0], "whole numbers"),
        (np.zeros((4, 8, 8), np.uint8), [0, 1, 2, 1], r"lie in 0..1 .* label 2 is 2"),
        (np.zeros((4, 8, 8), np.uint8), [0, -1, 0, 1], "label 1 is -1"),
    ],
)
def test_wrong_arrays_are_named_with_what_is_allowed(images: object, labels: object, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        ImageArrays(images, labels, NAMES)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 3, 6, 5), (4, 6, 5, 3)])
def test_arrays_that_fit_are_used_where_they_lie_and_read_right(shape: tuple[int, ...]) -> None:
    train, test = pixels(0, *shape), pixels(1, *shape)
    source = ImageArrays(train, LABELS, NAMES, test, LABELS).decodable(Reading()).held()
    assert source is not None
    assert [one.images.data_ptr() for one in source.sources] == [train.ctypes.data, test.ctypes.data]
    both = np.concatenate([train, test])
    expected = both.reshape(8, 1, 6, 5) if len(shape) == 3 else both
    expected = expected.transpose(0, 3, 1, 2) if shape[-1] == 3 else expected
    for rows in ([3, 0], [4, 7], [0, 7, 3, 4], [6, 1]):  # of one part, and across both
        assert (source.read(torch.tensor(rows)).numpy() == expected[rows]).all()
    assert source.labels.tolist() == LABELS + LABELS


def test_arrays_that_need_fitting_are_not_held() -> None:
    assert ImageArrays(pixels(0, 4, 6, 6), LABELS, NAMES).decodable(Reading((8, 8))).held() is None


def test_read_only_and_reversed_arrays_are_copied() -> None:
    frozen = pixels(0, 4, 8, 8)
    frozen.flags.writeable = False
    source = ImageArrays(frozen, LABELS, NAMES, frozen[::-1], LABELS).decodable(Reading()).held()
    assert source is not None
    assert (source.read(torch.tensor([4]))[0, 0].numpy() == frozen[3]).all()


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="at least two"):
        ImageArrays(pixels(0, 4, 8, 8), [0] * 4, ["a"])


def test_parts_of_different_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="one shape"):
        ImageArrays(pixels(0, 4, 8, 8), LABELS, NAMES, pixels(0, 4, 9, 8), LABELS)


def test_images_of_a_part_without_labels_are_refused() -> None:
    with pytest.raises(DataError, match="test_images and test_labels"):
        ImageArrays(pixels(0, 4, 8, 8), LABELS, NAMES, test_images=pixels(0, 4, 8, 8))


def test_colour_becomes_grey_by_luma_and_grey_becomes_three_equal_channels() -> None:
    red = np.zeros((1, 2, 2, 3), np.uint8)
    red[..., 0] = 255
    assert (fit_arrays(red, Frame(2, 2, 1)) == 76).all()  # 0.299 x 255
    grey = pixels(0, 2, 3, 3, 1)
    assert (fit_arrays(grey, Frame(3, 3, 3)) == grey).all()


def _white_bar(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = np.zeros((1, height, width, 1), np.uint8)
    image[:, :, width // 2 - 2 : width // 2 + 2] = 255
    return image


@pytest.mark.parametrize(
    ("fit", "brightest_columns", "black_rows"),
    [("stretch", 2, 0), ("crop", 4, 0), ("pad", 2, 4)],  # a 4-pixel bar of a 16-pixel wide, 8 high image
)
def test_fit_stretches_crops_or_pads(fit: Fit, brightest_columns: int, black_rows: int) -> None:
    fitted = fit_arrays(_white_bar(8, 16), Frame(8, 8, 1, fit))[0, :, :, 0]
    assert (fitted.max(axis=1) == 0).sum() == black_rows
    assert (fitted.max(axis=0) > 127).sum() == brightest_columns


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((1, 32, 32, 1), np.uint8)
    stripes[:, :, ::2] = 255
    assert abs(fit_arrays(stripes, Frame(8, 8, 1)).astype(int) - 127).max() <= 10
