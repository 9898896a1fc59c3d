from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cnnexp.data.augment import augmentation, crop_flip, flip, photo

KINDS = ["flip", "crop-flip", "photo"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(kind: str, images: Tensor, seed: int = 0) -> Tensor:
    change = augmentation(kind)
    assert change is not None
    return change(images, generator(seed))


def one_image_many_times(count: int = 64, channels: int = 3, size: int = 16) -> Tensor:
    image = torch.randint(0, 256, (1, channels, size, size), dtype=torch.uint8, generator=generator())
    return image.repeat(count, 1, 1, 1)


def test_none_is_no_change() -> None:
    assert augmentation("none") is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_shape_range_and_input_are_kept(kind: str, channels: int, layout: torch.memory_format) -> None:
    images = torch.randint(0, 256, (9, channels, 12, 10), dtype=torch.uint8).contiguous(memory_format=layout)
    before = images.clone()
    found = changed(kind, images)
    assert found.shape == images.shape
    assert 0 <= float(found.min()) <= float(found.max()) <= 255
    assert torch.equal(images, before)
    if layout is torch.channels_last:
        assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_one_batch_get_draws_of_their_own(kind: str) -> None:
    found = changed(kind, one_image_many_times())
    different = {tuple(image.flatten().tolist()) for image in found}
    assert len(different) >= {"flip": 2, "crop-flip": 40, "photo": 64}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_images_and_another_one_others(kind: str) -> None:
    images = one_image_many_times()
    assert torch.equal(changed(kind, images), changed(kind, images))
    assert not torch.equal(changed(kind, images), changed(kind, images, seed=1))


def test_flip_mirrors_about_half_and_leaves_the_rest() -> None:
    images = one_image_many_times(400)
    found = flip(images, generator())
    mirrored = (found == images.flip(3)).all(dim=(1, 2, 3))
    kept = (found == images).all(dim=(1, 2, 3))
    assert bool((mirrored ^ kept).all())
    assert 150 < int(mirrored.sum()) < 250


def test_crop_flip_takes_every_window_of_the_padded_image_and_its_mirror() -> None:
    images = one_image_many_times(2000, size=8)
    found = crop_flip(images, generator())
    windows = set()
    for side in (images[0], images[0].flip(2)):
        padded = torch.nn.functional.pad(side, (4, 4, 4, 4))
        windows |= {
            tuple(padded[:, down : down + 8, right : right + 8].flatten().tolist())
            for down in range(9)
            for right in range(9)
        }
    seen = {tuple(image.flatten().tolist()) for image in found}
    assert seen == windows  # all 162, with 2000 draws; one is missed with a chance of 1 in 1,500


def test_photo_without_luck_of_the_draw_keeps_the_picture_recognisable() -> None:
    ramp = torch.linspace(0, 255, 32).to(torch.uint8).view(1, 1, 32, 1).expand(64, 3, 32, 32)
    found = photo(ramp, generator())
    assert bool((found[:, :, -1] > found[:, :, 0]).all())  # top stays above bottom: never turned upside down
    assert found.std(dim=0).mean() > 3


def test_photo_jitters_brightness_both_ways_and_by_a_fifth() -> None:
    flat = torch.full((500, 3, 8, 8), 100, dtype=torch.uint8)
    means = photo(flat, generator()).mean(dim=(1, 2, 3))
    assert 79.9 <= float(means.min()) < 85
    assert 115 < float(means.max()) <= 120.1


def test_grey_images_stay_grey_under_photo() -> None:
    grey = torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8).repeat(1, 3, 1, 1)
    found = photo(grey, generator())
    assert torch.allclose(found[:, 0], found[:, 2], atol=1e-3)


@pytest.mark.parametrize("change", [flip, crop_flip, photo])
def test_a_batch_of_one_is_fine(change: Callable[[Tensor, torch.Generator], Tensor]) -> None:
    assert change(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), generator()).shape == (1, 3, 8, 8)
