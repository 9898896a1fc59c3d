"""im2col in blocks: however the work is parted, and whoever computed before, the sum is the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from cnnexp.convolution import blocks, convolve
from cnnexp.convolution.windows import Axis, forget_workspace
from tests.unit.convolution.cases import CASES, Case, gradients, library


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("block_bytes", [1, 4000, 20_000])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_blocks_of_any_size_make_the_same_sum(
    case: Case, block_bytes: int, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", block_bytes)
    tensors = case.integers()
    if channels_last:
        first = tensors[0].detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        tensors = (first, *tensors[1:])
    wanted, made = library(case, tensors), convolve(*tensors, **case.arguments, algorithm="im2col")
    assert torch.equal(wanted, made)
    for ours, theirs in zip(gradients(made, tensors), gradients(wanted, tensors), strict=True):
        assert torch.equal(ours, theirs)


def test_a_workspace_made_in_inference_serves_training() -> None:
    forget_workspace()
    case = Case((2, 9, 6, 6), (3, 9, 3, 3), {"padding": 1})
    tensors = case.integers()
    with torch.inference_mode():
        convolve(*tensors, padding=1)
    made = convolve(*tensors, padding=1)
    for ours, theirs in zip(
        gradients(made, tensors), gradients(library(case, tensors), tensors), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_results_do_not_share_the_workspace() -> None:
    case = Case((2, 9, 6, 6), (3, 9, 3, 3))
    images, weight, bias = case.integers()
    first = convolve(images, weight, bias)
    kept = first.clone()
    convolve(images + 1, weight, bias)
    assert torch.equal(first, kept)


def test_threads_do_not_share_the_workspace() -> None:
    case = Case((4, 9, 16, 16), (3, 9, 3, 3))
    images, weight, bias = case.integers()
    wanted = [library(case, (images + number, weight, bias)) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: convolve(images + number, weight, bias), range(8)))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(made, wanted, strict=True))


def test_a_gradient_that_is_one_number_expanded_is_taken() -> None:
    case = Case((2, 9, 6, 6), (3, 9, 3, 3))
    tensors = case.integers()
    ours = torch.autograd.grad(convolve(*tensors).sum(), tensors)
    theirs = torch.autograd.grad(library(case, tensors).sum(), tensors)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("tap", [-7, -2, 0, 3, 9])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_axis_reaches_exactly_the_pixels_of_the_image(tap: int, step: int) -> None:
    axis = Axis((tap,), step, input=6, output=5)
    inside = [output for output in range(5) if 0 <= tap + step * output < 6]
    first, last = axis.reach(tap, 5)
    assert list(range(first, last)) == inside
    assert list(range(6))[axis.pixels(tap, first, last)] == [tap + step * output for output in inside]
    assert axis.is_inside(tap, 5) == (len(inside) == 5)
