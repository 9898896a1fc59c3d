"""Images of a data set as data URIs small enough that thousands of them fit into one file."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image, features

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_SIDE = 96  # pixels: more than a contact sheet shows
QUALITY = 80  # of WebP: 300 bytes for 28×28, 1,900 for 96×96, a quarter of PNG


def data_uri(pixels: Tensor) -> str:
    """Returns an image, uint8 (C, H, W) with C = 1 or 3, as a data URI; larger ones are shrunk."""
    image = Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy())
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    kind = "webp" if features.check("webp") else "png"
    content = io.BytesIO()
    image.save(content, kind, quality=QUALITY)
    return uri_of(content.getvalue(), kind)


def uri_of(content: bytes, kind: str) -> str:
    """Returns the bytes of a picture as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
