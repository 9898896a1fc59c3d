"""Winograd's minimal filtering for 3×3 kernels: fewer multiplications (Lavin and Gray, arXiv:1509.09308).

F(m, 3) makes a tile of m×m output pixels from (m+2)×(m+2) input pixels: Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. The
products cost (m+2)² instead of 9·m² multiplications: F(2, 3) saves a factor 2.25, F(4, 3) a factor 4, and
loses some digits, since its G has sixths and its B and A have numbers up to 8.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnexp.convolution.geometry import Geometry

Matrix = tuple[tuple[Fraction | int, ...], ...]

_HALF, _SIXTH = Fraction(1, 2), Fraction(1, 6)
# Aᵀ, G, Bᵀ by m: section 4.1 and equations 12 and 13 of the paper.
MATRICES: dict[int, tuple[Matrix, Matrix, Matrix]] = {
    2: (
        ((1, 1, 1, 0), (0, 1, -1, -1)),
        ((1, 0, 0), (_HALF, _HALF, _HALF), (_HALF, -_HALF, _HALF), (0, 0, 1)),
        ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    ),
    4: (
        ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
        (
            (Fraction(1, 4), 0, 0),
            (-_SIXTH, -_SIXTH, -_SIXTH),
            (-_SIXTH, _SIXTH, -_SIXTH),
            (Fraction(1, 24), Fraction(1, 12), _SIXTH),
            (Fraction(1, 24), -Fraction(1, 12), _SIXTH),
            (0, 0, 1),
        ),
        (
            (4, 0, -5, 0, 1, 0),
            (0, -4, -4, 1, 1, 0),
            (0, 4, -4, -1, 1, 0),
            (0, -2, -1, 2, 1, 0),
            (0, 2, -1, -2, 1, 0),
            (0, 4, 0, -5, 0, 1),
        ),
    ),
}


def winograd(images: Tensor, weight: Tensor, geometry: Geometry, *, tile: int = 2) -> Tensor:
    """Convolves images (N, C, H, W) with a weight (K, C/G, 3, 3); returns (N, K, P, Q).

    Args:
        images: not yet padded.
        weight: 3×3 kernels.
        geometry: stride and dilation 1.
        tile: m, the output pixels of a tile along one side: 2 or 4.
    """
    to_pixels, to_kernel, to_tile = (_tensor(matrix, weight) for matrix in MATRICES[tile])
    tiles = _tiles(geometry.pad(images), geometry, tile)
    kernels = weight.reshape(geometry.groups, -1, *weight.shape[1:])
    seen = torch.einsum("ia,ngctuab,jb->ijgcntu", to_tile, tiles, to_tile)
    learned = torch.einsum("ia,gkcab,jb->ijgkc", to_kernel, kernels, to_kernel)
    product = (learned @ seen.flatten(4)).reshape(*learned.shape[:4], *seen.shape[4:])
    made = torch.einsum("ai,ijgkntu,bj->ngktaub", to_pixels, product, to_pixels)
    whole = made.flatten(5, 6).flatten(3, 4).flatten(1, 2)
    return whole[:, :, : geometry.output[0], : geometry.output[1]]


def _tensor(matrix: Matrix, like: Tensor) -> Tensor:
    numbers = [[float(number) for number in row] for row in matrix]
    return torch.tensor(numbers, dtype=like.dtype, device=like.device)


def _tiles(padded: Tensor, geometry: Geometry, tile: int) -> Tensor:
    """Cuts images into (N, G, C/G, T, U, m+2, m+2), overlapping by 2, the last filled up with zeros."""
    below, right = (-geometry.output[0]) % tile, (-geometry.output[1]) % tile
    filled = F.pad(padded, (0, right, 0, below))
    tiles = filled.unfold(2, tile + 2, tile).unfold(3, tile + 2, tile)
    per_group = tiles.shape[1] // geometry.groups
    return tiles.reshape(tiles.shape[0], geometry.groups, per_group, *tiles.shape[2:])
