"""One photo -> pixels, whatever its kind: rotated, grey, alpha, CMYK, palette, 16 bit, WebP, GIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnexp.data.reading import Frame, Pixels

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
DEEP_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
ALPHA_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
PAD_COLOR = 0  # black, as torchvision pads


class BadPhotoError(Exception):
    """A file that is no image, or a broken one; the text says how."""


def read_photo(path: Path, frame: Frame) -> Pixels:
    """Decodes one file.

    Args:
        path: an image file; its kind is told by its content, never by its name.
        frame: the shape to give it.

    Returns:
        uint8 (H, W, C).

    Raises:
        BadPhotoError: the file cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            # A JPEG decodes at 1/2, 1/4 or 1/8 at a fraction of the cost; twice the goal keeps it sharp.
            side = 2 * max(frame.height, frame.width)
            image.draft(None, (side, side))
            return framed(image, frame)
    except MemoryError:
        raise
    except Exception as error:  # a broken file makes decoders raise anything: it is recorded, not swallowed
        raise BadPhotoError(_reason(path, error)) from error


def framed(image: Image.Image, frame: Frame) -> Pixels:
    """Brings an image of any mode and size to a frame, upright; the image is left as it is.

    Returns:
        uint8 (H, W, C).

    Raises:
        Exception: whatever its decoder raises where the image is not loaded yet, and broken.
    """
    return _fitted(_plain(ImageOps.exif_transpose(image), frame.channels), frame)


def is_grey(path: Path) -> bool | None:
    """Tells from a file's header whether it is a grey image; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.mode == "P":
                colors = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
                return bool((colors == colors[:, :1]).all())
            return image.mode in GREY_MODES
    except Exception:  # noqa: BLE001, RUF100 - reading it in full will say what is wrong
        return None


def _plain(image: Image.Image, channels: int) -> Image.Image:
    """Returns an image of mode L or RGB; alpha is composited over white."""
    mode = "L" if channels == 1 else "RGB"
    if image.mode in DEEP_MODES:
        image = Image.fromarray(_to_8_bit(np.asarray(image)))
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def _to_8_bit(deep: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Pixels:
    """Scales 16-bit, 32-bit or float grey values down; conversion by PIL would clip them at 255."""
    values = np.clip(np.nan_to_num(deep.astype(np.float64)), 0, None)
    largest = values.max(initial=0.0)
    if np.issubdtype(deep.dtype, np.floating):
        top = next(top for top in (1.0, 255.0, largest) if largest <= top)
    else:
        top = 65535.0 if largest <= 65535 else 2.0**31 - 1  # noqa: PLR2004 - PIL reads 16 bit as mode I too
    return np.rint(values * (255.0 / top)).astype(np.uint8)


def _fitted(image: Image.Image, frame: Frame) -> Pixels:
    goal, smooth = (frame.width, frame.height), Image.Resampling.BILINEAR  # antialiased when it shrinks
    if frame.fit == "crop":
        image = ImageOps.fit(image, goal, smooth)
    elif frame.fit == "pad":
        image = ImageOps.pad(image, goal, smooth, color=PAD_COLOR)
    elif image.size != goal:
        image = image.resize(goal, smooth)
    return np.asarray(image).reshape(frame.height, frame.width, frame.channels)


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, IsADirectoryError):
        return "is a folder"
    if path.stat().st_size == 0:
        return "empty file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return str(error) or type(error).__name__
