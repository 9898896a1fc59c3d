"""The measuring core: who is measured, and what counts as memory. How long things take is not tested."""

from __future__ import annotations

import pytest
import torch

from cnnexp.convolution import ConvolutionError
from cnnexp.convolution.bench import PASSES, SHAPES, Shape, measure

TINY = Shape("tiny", (2, 3, 8, 8), 4, 3)


def test_every_algorithm_has_a_row_per_pass_beside_the_librarys() -> None:
    rows = list(measure([TINY], ["loop", "winograd"], rounds=1))
    assert [(row.pass_name, row.algorithm) for row in rows] == [
        (name, algorithm) for name in PASSES for algorithm in ("torch", "loop", "winograd")
    ]
    assert all(row.seconds > 0 and row.extra_bytes > 0 for row in rows)
    assert {row.ratio for row in rows if row.algorithm == "torch"} == {1.0}


def test_an_algorithm_that_cannot_compute_a_shape_has_no_row() -> None:
    large = Shape("large", (2, 3, 8, 8), 4, 5)
    assert {row.algorithm for row in measure([large], ["winograd", "shift"], rounds=1)} == {"torch", "shift"}


def test_memory_is_what_a_pass_allocates_at_once() -> None:
    shape = Shape("one", (4, 16, 32, 32), 16, 3, padding=1)
    rows = measure([shape], ["im2col", "fft"], passes=["inference"], rounds=1)
    extra = {row.algorithm: row.extra_bytes for row in rows}
    output = 4 * 4 * 16 * 32 * 32
    assert extra["torch"] == output
    windows = 4 * 3 * 16 * 34 * 32  # a block is one image: S·C·H·Q
    assert output + windows <= extra["im2col"] <= output + windows + 2**17
    assert extra["fft"] > 3 * output


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ConvolutionError, match="nonsense"):
        list(measure([TINY], ["nonsense"]))


def test_the_shapes_are_convolutions() -> None:
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)
    for shape in SHAPES:
        images, weight = (torch.empty(size, device="meta") for size in (shape.images, shape.weight))
        torch.nn.functional.conv2d(images, weight, stride=shape.stride, padding=shape.padding)
