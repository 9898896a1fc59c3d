"""The low frequencies of images: what near duplicates share, and what a small classifier looks at.

They do not depend on how large an image is: the same picture in two sizes has nearly the same ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from cnnexp.data.reading import Pixels

KEPT = 16  # frequencies of each axis, from the mean on
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what PIL makes grey of red, green, blue with

Spectrum = NDArray[np.float32]


def spectrum(images: Pixels) -> Spectrum:
    """Returns the first coefficients of the discrete cosine transform of each channel.

    Args:
        images: uint8 (N, H, W, C).

    Returns:
        float32 (N, C, R, S), R and S at most 16; [..., 0, 0] is the mean of the channel's pixels, 0 to 255.
    """
    _, height, width, _ = images.shape
    channels_first = images.transpose(0, 3, 1, 2).astype(np.float32)
    found = _waves(height) @ channels_first @ _waves(width).T
    return found.astype(np.float32, copy=False)


def grey(coefficients: Spectrum) -> Spectrum:
    """Returns the coefficients (N, R, S) of the images in grey, from those (N, C, R, S) of their channels."""
    if coefficients.shape[1] == 1:
        return coefficients[:, 0]
    found: Spectrum = np.einsum("ncrs,c->nrs", coefficients, np.array(LUMA, np.float32))
    return found


def _waves(size: int) -> Spectrum:
    """Returns the transform of an axis as a matrix (at most 16, size)."""
    transform = dct(np.eye(size), norm="ortho", axis=0) / np.sqrt(size)
    kept: Spectrum = transform[:KEPT].astype(np.float32)
    return kept
