"""Winograd's matrices, in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

from cnnexp.convolution.winograd import MATRICES


@pytest.mark.parametrize("tile", sorted(MATRICES))
def test_the_matrices_make_a_correlation_of_every_kernel_element_and_pixel(tile: int) -> None:
    """The sum over k of A[i, k]·G[k, r]·B[k, x] is 1 where x = i + r: that pixel meets that element."""
    to_pixels, to_kernel, to_tile = MATRICES[tile]
    for i, r, x in product(range(tile), range(3), range(tile + 2)):
        parts = (
            Fraction(to_pixels[i][k]) * Fraction(to_kernel[k][r]) * Fraction(to_tile[k][x])
            for k in range(tile + 2)
        )
        assert sum(parts) == (x == i + r)
