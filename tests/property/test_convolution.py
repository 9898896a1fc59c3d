"""Convolutions of any shape: all algorithms agree with the library, exactly where numbers are whole."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.convolution import convolve, refusal
from tests.unit.convolution.cases import Case, gradients, library


@st.composite
def cases(draw: st.DrawFn) -> Case:
    groups = draw(st.integers(1, 3))
    channels, kernels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    spans = [(k - 1) * d + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    size = [max(1, span) + draw(st.integers(0, 6)) for span in spans]
    arguments: dict[str, Any] = {"dilation": dilation, "padding": padding, "groups": groups}
    arguments["stride"] = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    images = draw(st.integers(1, 3)), channels * groups, *size
    return Case(images, (kernels * groups, channels, *kernel), arguments)


@given(cases(), st.sampled_from(["loop", "im2col", "shift", "winograd", "auto"]), st.booleans())
def test_every_algorithm_gives_the_exact_sum_and_gradients(case: Case, algorithm: str, last: bool) -> None:
    if algorithm == "winograd":
        arguments = {**case.arguments, "stride": 1, "dilation": 1, "padding": 1}
        case = Case(case.images, (*case.weight[:2], 3, 3), arguments)
    tensors = case.integers()
    if last:
        first = tensors[0].detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        tensors = (first, *tensors[1:])
    wanted, made = library(case, tensors), convolve(*tensors, **case.arguments, algorithm=algorithm)
    assert torch.equal(wanted, made)
    for ours, theirs in zip(gradients(made, tensors), gradients(wanted, tensors), strict=True):
        assert torch.equal(ours, theirs)


@given(cases())
def test_the_fft_agrees_to_within_rounding(case: Case) -> None:
    assert refusal("fft", kernel_size=case.weight[2:]) is None
    tensors = case.integers()
    wanted, made = library(case, tensors), convolve(*tensors, **case.arguments, algorithm="fft")
    torch.testing.assert_close(wanted, made, rtol=0, atol=1e-10)
    for ours, theirs in zip(gradients(made, tensors), gradients(wanted, tensors), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
