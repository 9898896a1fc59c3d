"""Every algorithm computes what the definition says: exactly where numbers are whole, else to rounding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cnnexp.convolution import ALGORITHMS, ConvolutionError, convolve, refusal
from cnnexp.convolution.geometry import find_geometry
from cnnexp.convolution.winograd import winograd
from tests.unit.convolution.cases import CASES, SMALL, Case, gradients, library

EXACT = ("im2col", "shift", "winograd", "auto")
GRADIENT_CASES = (
    Case((2, 4, 5, 6), (6, 2, 3, 3), {"padding": (1, 0), "groups": 2}),
    Case((1, 9, 5, 5), (2, 9, 4, 3), {"stride": 2, "padding": 2, "dilation": (1, 2)}),
)


def pairs(cases: Iterable[Case], algorithms: Iterable[str]) -> list[Any]:
    """Every case with every algorithm that can compute it: what is refused is tested in test_choice."""
    return [
        pytest.param(case, algorithm, id=f"{case}-{algorithm}")
        for case in cases
        for algorithm in algorithms
        if refusal(
            algorithm,
            kernel_size=case.weight[2:],
            stride=case.arguments.get("stride", 1),
            dilation=case.arguments.get("dilation", 1),
        )
        is None
    ]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # the library's own
@pytest.mark.parametrize(("case", "algorithm"), pairs(CASES, EXACT))
def test_whole_numbers_give_the_exact_sum_and_gradients(case: Case, algorithm: str) -> None:
    tensors = case.integers()
    wanted, made = library(case, tensors), convolve(*tensors, **case.arguments, algorithm=algorithm)
    assert torch.equal(wanted, made)
    for ours, theirs in zip(gradients(made, tensors), gradients(wanted, tensors), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_the_loops_give_the_exact_sum_and_gradients(case: Case) -> None:
    tensors = case.integers()
    wanted, made = library(case, tensors), convolve(*tensors, **case.arguments, algorithm="loop")
    assert torch.equal(wanted, made)
    for ours, theirs in zip(gradients(made, tensors), gradients(wanted, tensors), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", [case for case in CASES if case.images[0]], ids=str)
def test_the_fft_is_within_rounding_of_the_sum_of_magnitudes(case: Case) -> None:
    images, weight, bias = (one.detach().float() for one in case.integers())
    exact = library(case, case.integers())
    made = convolve(images, weight, bias, **case.arguments, algorithm="fft")
    magnitudes = library(case, (images.abs().double(), weight.abs().double(), bias.abs().double()))
    # A transform of n numbers has an error of eps·log2 n of their norm, which a whole image shares.
    bound = 16 * torch.finfo(torch.float32).eps * magnitudes.max()
    assert (made - exact).abs().max() <= bound


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_worked_example(algorithm: str) -> None:
    images = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    weight = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]).reshape(1, 1, 2, 2)
    if algorithm == "winograd":
        with pytest.raises(ConvolutionError, match="kernel 2×2"):
            convolve(images, weight, algorithm=algorithm)
        return
    made = convolve(images, weight, algorithm=algorithm)
    torch.testing.assert_close(made, torch.full((1, 1, 2, 2), -6.0))


@pytest.mark.parametrize(("case", "algorithm"), pairs(GRADIENT_CASES, ALGORITHMS))
def test_gradients_are_those_of_finite_differences(case: Case, algorithm: str) -> None:
    generator = torch.Generator().manual_seed(1)
    sizes = case.images, case.weight, case.weight[:1]
    tensors = tuple(
        torch.randn(size, dtype=torch.float64, generator=generator).requires_grad_() for size in sizes
    )
    assert torch.autograd.gradcheck(
        lambda *given: convolve(*given, **case.arguments, algorithm=algorithm), tensors, fast_mode=True
    )


@pytest.mark.parametrize("case", GRADIENT_CASES, ids=str)
def test_gradients_of_blocks_can_be_differentiated_again(case: Case) -> None:
    tensors = case.integers()
    assert torch.autograd.gradgradcheck(
        lambda *given: convolve(*given, **case.arguments, algorithm="im2col"), tensors, fast_mode=True
    )


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_the_gradients_asked_for_are_computed(wanted: tuple[bool, ...]) -> None:
    case = Case((2, 9, 5, 5), (3, 9, 3, 3))
    tensors = case.integers()
    for one, is_wanted in zip(tensors, wanted, strict=True):
        one.requires_grad_(is_wanted)
    convolve(*tensors).sum().backward()  # type: ignore[no-untyped-call]
    assert [one.grad is not None for one in tensors] == list(wanted)


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch ships it untyped
    """Notes the name of every operation that reaches the library, in forward and backward."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.names.add(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("algorithm", ["torch", *ALGORITHMS])
def test_no_algorithm_calls_a_library_convolution(algorithm: str, channels: int) -> None:
    case = Case((2, channels, 5, 5), (2, channels, 3, 3), {"padding": 1})
    tensors, seen = case.integers(), Operations()
    with seen:
        made = (
            library(case, tensors)
            if algorithm == "torch"
            else convolve(*tensors, padding=1, algorithm=algorithm)
        )
        gradients(made, tensors)
    assert any("conv" in name for name in seen.names) == (algorithm == "torch")


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("size", [3, 4, 5, 6, 7, 8, 9])
def test_winograd_is_right_at_tile_multiples_and_beside_them(size: int, tile: int) -> None:
    case = Case((2, 3, size, 13 - size), (4, 3, 3, 3), {"padding": 1})
    images, weight, bias = case.integers()
    geometry = find_geometry(case.images, case.weight, padding=1)
    made = winograd(images, weight, geometry, tile=tile) + bias[:, None, None]
    exact = library(case, (images, weight, bias))
    if tile == 2:
        assert torch.equal(made, exact)
    magnitudes = library(case, (images.abs(), weight.abs(), bias.abs()))
    # F(4, 3) multiplies by up to 8·8 in A and 5·5 in B, and adds up (m + 2)² products.
    assert ((made - exact).abs() <= 1000 * torch.finfo(torch.float64).eps * magnitudes.max()).all()


@pytest.mark.parametrize("algorithm", ["loop", "im2col", "shift", "fft", "winograd"])
def test_one_image_without_a_batch_axis(algorithm: str) -> None:
    case = Case((1, 2, 5, 5), (3, 2, 3, 3))
    tensors = case.integers()
    made = convolve(tensors[0][0], *tensors[1:], algorithm=algorithm)
    torch.testing.assert_close(made, library(case, tensors)[0])


@pytest.mark.parametrize("algorithm", ["im2col", "shift", "fft", "winograd"])
@pytest.mark.parametrize("channels", [3, 16])
def test_channels_last_stays_channels_last(algorithm: str, channels: int) -> None:
    case = Case((3, channels, 7, 6), (4, channels, 3, 3), {"padding": 1})
    images, weight, bias = case.integers()
    last = images.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    made = convolve(last, weight, bias, padding=1, algorithm=algorithm)
    assert made.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(made, library(case, (images, weight, bias)))
    wanted = gradients(library(case, (images, weight, bias)), (images, weight, bias))
    for ours, theirs in zip(gradients(made, (last, weight, bias)), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("algorithm", ["loop", "im2col", "shift", "fft", "winograd"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(algorithm: str, dtype: torch.dtype) -> None:
    """64 equal products of 1: their sum is a whole number that half precision has, step by step it is not."""
    images, weight = torch.ones(1, 64, 5, 5, dtype=dtype), torch.full((1, 64, 3, 3), 1.0, dtype=dtype)
    made = convolve(images, weight, algorithm=algorithm)
    assert made.dtype == dtype
    torch.testing.assert_close(made, torch.full_like(made, 576.0))


@pytest.mark.parametrize("algorithm", ["im2col", "shift", "fft", "winograd"])
@pytest.mark.parametrize("channels", [3, 16])
def test_autocast_computes_in_its_dtype_and_leaves_float32_gradients(algorithm: str, channels: int) -> None:
    case = Case((2, channels, 6, 6), (4, channels, 3, 3))
    tensors = case.integers(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = convolve(*tensors, algorithm=algorithm)
    assert made.dtype == torch.bfloat16
    wanted = gradients(library(case, tensors), tensors)
    for ours, theirs in zip(gradients(made, tensors), wanted, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02 * float(theirs.abs().max()))


@pytest.mark.parametrize(
    ("images", "weight", "arguments", "sentence"),
    [
        ((1, 3, 4, 4), (2, 3, 5, 5), {}, "covers 5×5 pixels and the padded image has 4×4"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"dilation": 2}, "covers 5×5 pixels"),
        ((1, 3, 4, 4), (2, 4, 3, 3), {}, "images have 3 channels and the weight takes 4"),
        ((1, 4, 4, 4), (3, 2, 3, 3), {"groups": 2}, "groups=2 must divide the 4 input and the 3 output"),
        ((1, 4, 4, 4), (2, 4, 3, 3), {"groups": 0}, "groups=0"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"padding": "full"}, "padding 'full' is unknown"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"padding": "same", "stride": 2}, "'same' needs stride 1"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"padding": -1}, "padding -1 is negative"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"stride": 0}, "stride 0 and dilation 1 must be 1 or more"),
        ((3, 4), (2, 3, 3, 3), {}, "must have the four axes"),
        ((1, 3, 4, 4), (0, 3, 3, 3), {}, "empty axis"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"algorithm": "nonsense"}, "unknown convolution algorithm 'nonsense'"),
        ((1, 3, 9, 9), (2, 3, 5, 5), {"algorithm": "winograd"}, "this one has kernel 5×5; take one of loop"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    images: tuple[int, ...], weight: tuple[int, ...], arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConvolutionError) as caught:
        convolve(torch.zeros(images), torch.zeros(weight), **arguments)  # type: ignore[arg-type]
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
