"""Duplicates: the same pixels, and the same picture in another form; what is planted is found."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from cnnexp.data.reading import Pixels
from cnnexp.results.inspection import duplicates
from cnnexp.results.inspection.duplicates import NearPairs, exact_groups, near_pairs, num_groups
from cnnexp.results.inspection.spectrum import grey, spectrum
from tests.unit.data.made import pixels

SIDE = 64


def read(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def near(images: list[Pixels]) -> NearPairs:
    return near_pairs(grey(spectrum(np.stack(images))), np.arange(len(images)))


def again(image: Image.Image, quality: int) -> Image.Image:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=quality)
    return Image.open(stored)


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed": lambda image: again(image, 30),
    "half as large": half,
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "grey": lambda image: image.convert("L"),
}


@pytest.fixture
def photos(shared_data: Path) -> list[Image.Image]:
    files = sorted((shared_data / "vehicles").rglob("*.jpg"))[::4]
    return [Image.open(file).convert("RGB") for file in files]


@pytest.mark.parametrize("change", CHANGES)
def test_planted_near_duplicates_of_real_photos_are_found_and_nothing_else(
    change: str, photos: list[Image.Image]
) -> None:
    changed = [CHANGES[change](photo) for photo in photos[:20]]
    found = near([read(photo) for photo in (*photos, *changed)])
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    planted = {(number, len(photos) + number) for number in range(20)}
    recall, precision = len(pairs & planted) / 20, len(pairs & planted) / max(len(pairs), 1)
    assert (recall >= 0.9, precision) == (True, 1.0), (recall, pairs - planted)


def waves(seed: int, count: int) -> list[Pixels]:
    """Smooth random images, as different as photos are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return [read(Image.fromarray(one).resize((90, 70), Image.Resampling.BICUBIC)) for one in coarse]


@pytest.mark.parametrize("count", [2, 5, 150])
def test_a_pair_is_found_in_a_set_of_any_size(count: int) -> None:
    images = waves(0, count)
    noisy = np.clip(
        images[0].astype(np.int64) + np.random.default_rng(1).integers(-4, 5, images[0].shape), 0, 255
    )
    found = near([*images, noisy.astype(np.uint8)])
    assert (found.first.tolist(), found.second.tolist(), found.complete) == ([0], [count], True)


def test_the_blocks_of_the_comparison_cover_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    images = waves(2, 40)
    whole = near([*images, *images])
    monkeypatch.setattr(duplicates, "_ROWS", 7)
    monkeypatch.setattr(duplicates, "_COLUMNS", 11)
    monkeypatch.setattr(duplicates, "_PAIRS", 3)
    parted = near([*images, *images])
    expected = [(number, 40 + number) for number in range(40)]
    for found in (whole, parted):
        assert sorted(zip(found.first.tolist(), found.second.tolist(), strict=True)) == expected


def test_the_search_ends_where_everything_is_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 50)
    (image,) = waves(3, 1)
    found = near([np.maximum(image, number).astype(np.uint8) for number in range(30)])
    assert not found.complete
    assert len(found) >= 50
    assert num_groups(found, 30) == 1


def test_images_of_one_tone_and_single_pixels_are_no_near_duplicates() -> None:
    tones = [np.full((SIDE, SIDE, 3), tone, np.uint8) for tone in (0, 90, 255)]
    assert not len(near(tones))
    assert not len(near([pixels(seed, 1, 1, 1) for seed in range(3)]))
    assert not len(near(tones[:1]))


def test_exact_groups_are_the_rows_of_equal_hashes() -> None:
    hashes: NDArray[np.uint8] = np.repeat(pixels(0, 4, 16), [1, 3, 1, 2], axis=0)
    assert [group.tolist() for group in exact_groups(hashes, np.arange(7))] == [[1, 2, 3], [5, 6]]
    assert [group.tolist() for group in exact_groups(hashes, np.array([0, 1, 3, 5]))] == [[1, 3]]
    assert exact_groups(hashes, np.array([], np.int64)) == []


def test_low_frequencies_do_not_depend_on_the_size_of_the_image() -> None:
    (image,) = waves(4, 1)
    small = np.asarray(Image.fromarray(image).resize((32, 48), Image.Resampling.BOX))
    large, little = (spectrum(one[None])[0, :, :6, :6] for one in (image, small))
    assert np.abs(large - little).max() < 0.02 * np.abs(large).max()
    assert large[:, 0, 0] == pytest.approx(image.mean(axis=(0, 1)), rel=1e-4)
