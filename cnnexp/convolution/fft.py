"""Convolution by the theorem that it is a product of spectra (Mathieu et al., arXiv:1312.5851).

The padded image and the kernel, with zeros up to the image's size, are transformed whole, and channels are
mixed frequency by frequency. The work does not grow with the kernel, so it can pay for large kernels only;
a stride saves nothing, since all output pixels are computed and those between are thrown away.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnexp.convolution.geometry import Geometry


def fft(images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Convolves images (N, C, H, W) with a weight (K, C/G, R, S); returns (N, K, P, Q).

    The product of spectra is circular: it wraps around at the edge. A window that lies inside the padded
    image never reaches the edge, so the first H − R + 1 rows are right as they are.
    """
    padded = geometry.pad(images)
    size, groups = (padded.shape[2], padded.shape[3]), geometry.groups
    spectra = torch.fft.rfft2(padded)
    image_spectra = spectra.reshape(images.shape[0], groups, weight.shape[1], *spectra.shape[2:])
    # Cross-correlation: the conjugate of the kernel's spectrum, where a flipped kernel's would convolve.
    conjugate = torch.fft.rfft2(_spread(weight, geometry, size)).conj()
    kernel_spectra = conjugate.reshape(groups, -1, *conjugate.shape[1:])
    mixed = torch.einsum("ngchw,gkchw->ngkhw", image_spectra, kernel_spectra)
    product = torch.fft.irfft2(mixed.flatten(1, 2), s=size)
    return geometry.shifted(product, 0, 0)


def _spread(weight: Tensor, geometry: Geometry, size: tuple[int, int]) -> Tensor:
    """Puts the kernel's elements `dilation` apart, with zeros after them up to a size."""
    (down, right), (rows, columns) = geometry.dilation, geometry.extent
    apart = weight.new_zeros((*weight.shape[:2], rows, columns))
    apart[..., ::down, ::right] = weight
    return F.pad(apart, (0, size[1] - columns, 0, size[0] - rows))
