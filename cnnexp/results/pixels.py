"""Images of any kind -> the pixels of a frame: files, PIL images, arrays, tensors, and lists of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cnnexp.data.photo import BadPhotoError, framed, read_photo
from cnnexp.data.reading import Frame, Pixels
from cnnexp.errors import DataError

AnImage = str | os.PathLike[str] | Image.Image | NDArray[np.uint8] | Tensor
ALLOWED = (
    "give paths, PIL images, uint8 NumPy arrays (H, W), (H, W, C) or (N, H, W, C), "
    "uint8 tensors (C, H, W) or (N, C, H, W), or a list of these"
)
CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, red green blue, and alpha
OF_ONE_IMAGE, OF_A_BATCH = 3, 4  # axes


def single_images(images: AnImage | Iterable[AnImage]) -> Iterator[AnImage]:
    """Yields images one by one; of arrays and tensors views as uint8 NumPy (H, W) or (H, W, C).

    Raises:
        DataError: something that is no image, with its type, dtype or shape.
    """
    if isinstance(images, str | os.PathLike | Image.Image):
        yield images
    elif isinstance(images, Tensor):
        yield from _of_tensor(images)
    elif isinstance(images, np.ndarray):
        yield from _of_array(images)
    elif isinstance(images, Iterable):
        for image in images:
            yield from single_images(image)
    else:
        raise DataError(f"{type(images).__name__} {images!r} is no image; {ALLOWED}.")


def pixels_of(image: AnImage, frame: Frame) -> Pixels:
    """Brings one image, as `single_images` yields it, to a frame, as training does with files.

    Returns:
        uint8 (H, W, C).

    Raises:
        BadPhotoError: a file or an image that cannot be decoded.
    """
    if isinstance(image, np.ndarray):
        if image.shape == (frame.height, frame.width, frame.channels):
            return image
        return framed(Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image), frame)
    if not isinstance(image, Image.Image):
        return read_photo(Path(os.fspath(image)), frame)  # type: ignore[arg-type]  # tensors are arrays by now
    try:
        return framed(image, frame)
    except OSError as error:  # PIL decodes a file only now
        raise BadPhotoError(str(error)) from error


def _of_tensor(images: Tensor) -> Iterator[NDArray[np.uint8]]:
    shape = tuple(images.shape)
    if images.dtype != torch.uint8:
        raise DataError(f"a tensor of {images.dtype} is no image (pixels are 0 to 255); {ALLOWED}.")
    if images.ndim not in (OF_ONE_IMAGE, OF_A_BATCH) or shape[-3] not in CHANNELS:
        raise DataError(f"a tensor of shape {shape} is no image; {ALLOWED}.")
    yield from _of_array(images.detach().cpu().movedim(-3, -1).numpy())


def _of_array(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    if images.dtype != np.uint8:
        raise DataError(f"an array of {images.dtype} is no image (pixels are 0 to 255); {ALLOWED}.")
    is_grey = images.ndim == OF_ONE_IMAGE - 1
    has_channels = images.ndim in (OF_ONE_IMAGE, OF_A_BATCH) and images.shape[-1] in CHANNELS
    if not (is_grey or has_channels) or 0 in images.shape[-3:]:
        raise DataError(f"an array of shape {images.shape} is no image; {ALLOWED}.")
    if images.ndim == OF_A_BATCH:
        yield from images
    else:
        yield images
