"""Random changes of training images: a whole batch at once, each image with draws of its own.

(A torchvision transform applied to a batch draws once for all of it.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Augmentation = Callable[[Tensor, torch.Generator], Tensor]

PADDING = 4  # pixels, as is usual for CIFAR
CROP_SCALE = (0.35, 1.0)  # of the image's area
CROP_RATIO = (3 / 4, 4 / 3)
JITTER = 0.2
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601


def augmentation(kind: str) -> Augmentation | None:
    """Returns the change that `--augment` names, or None for "none".

    It maps uint8 (B, C, H, W) and a generator on the same device to uint8 or float (B, C, H, W) of 0..255;
    the input is left as it is.

    Raises:
        KeyError: the name is none of none, flip, crop-flip, photo.
    """
    return {"none": None, "flip": flip, "crop-flip": crop_flip, "photo": photo}[kind]


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirrors about half of the images left to right."""
    rows = images.permute(0, 2, 3, 1)
    mirrored = _mirrored(len(images), images.device, generator).view(-1, 1, 1, 1)
    # Mirroring only the drawn ones would need their number, and so wait for the device.
    return torch.where(mirrored, rows.flip(2), rows).permute(0, 3, 1, 2)


def crop_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shifts every image by up to 4 pixels each way, over black, and mirrors about half of them.

    All shifts of all images, mirrored and not, are views of one padded buffer: one advanced index copies the
    drawn ones, in rows of W·C bytes.
    """
    batch, channels, height, width = images.shape
    device, window = images.device, 2 * PADDING + 1
    rows = images.permute(0, 2, 3, 1)
    padded = images.new_zeros(batch, 2, height + 2 * PADDING, width + 2 * PADDING, channels)
    inner = padded[:, :, PADDING:-PADDING, PADDING:-PADDING]
    inner[:, 0] = rows
    inner[:, 1] = rows.flip(2)
    per_image, per_side, per_row, per_pixel, _ = padded.stride()
    shifts = padded.as_strided(
        (batch, 2, window, window, height, width * channels),
        (per_image, per_side, per_row, per_pixel, per_row, 1),
    )
    down = torch.randint(window, (batch,), generator=generator, device=device)
    right = torch.randint(window, (batch,), generator=generator, device=device)
    side = _mirrored(batch, device, generator).long()
    drawn = shifts[torch.arange(batch, device=device), side, down, right]
    return drawn.view(batch, height, width, channels).permute(0, 3, 1, 2)


def photo(images: Tensor, generator: torch.Generator) -> Tensor:
    """Crops 35 to 100 % of every image's area and resizes it back, mirrors, and jitters its colours.

    The crop is that of Szegedy et al. 2015 (arXiv 1409.4842), with a larger smallest area.
    """
    batch, channels = images.shape[:2]
    cropped = F.grid_sample(
        images.float(),
        _crop_grid(images, generator),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    brightness, contrast, saturation = (
        1 + JITTER * (2 * _uniform(batch, images.device, generator) - 1).view(-1, 1, 1, 1) for _ in range(3)
    )
    pixels = cropped * brightness
    grey = pixels
    if channels == len(LUMA):
        grey = (pixels * pixels.new_tensor(LUMA).view(1, -1, 1, 1)).sum(dim=1, keepdim=True)
        pixels = grey + (pixels - grey) * saturation
    mean = grey.mean(dim=(1, 2, 3), keepdim=True)
    changed = (mean + (pixels - mean) * contrast).clamp_(0, 255)
    return changed.contiguous(memory_format=_layout(images))


def _crop_grid(images: Tensor, generator: torch.Generator) -> Tensor:
    """Returns where each output pixel is read: (B, H, W, 2) in [-1, 1]."""
    batch, device = len(images), images.device
    height, width = images.shape[2:]
    low, high = torch.tensor(CROP_RATIO).log().tolist()
    area = CROP_SCALE[0] + (CROP_SCALE[1] - CROP_SCALE[0]) * _uniform(batch, device, generator)
    ratio = (low + (high - low) * _uniform(batch, device, generator)).exp() * (height / width)
    wide, tall = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)  # shares of the sides
    x = (2 * _uniform(batch, device, generator) - 1) * (1 - wide)
    y = (2 * _uniform(batch, device, generator) - 1) * (1 - tall)
    mirror = 1 - 2 * _mirrored(batch, device, generator).float()
    theta = images.new_zeros((batch, 2, 3), dtype=torch.float32)
    theta[:, 0, 0], theta[:, 0, 2] = wide * mirror, x
    theta[:, 1, 1], theta[:, 1, 2] = tall, y
    return F.affine_grid(theta, list(images.shape), align_corners=False)


def _layout(images: Tensor) -> torch.memory_format:
    is_last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format


def _uniform(count: int, device: torch.device, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=device)


def _mirrored(count: int, device: torch.device, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=device) < 0.5  # noqa: PLR2004 - even odds
