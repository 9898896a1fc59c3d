"""Proves algorithms equal to the library's convolution on random shapes: outputs and all gradients.

Equal means within rounding: an error is divided by eps · max Σ|x||w|, the rounding of the largest sum of
magnitudes that the shape has, and must stay under BOUND of those. Here, as in `bench`, the library's
convolution is called: it is, in float64, what the others are compared with.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnexp.convolution.choice import refusal
from cnnexp.convolution.convolve import convolve

BOUND = 32.0  # roundings; the transforms of `fft` and F(4, 3) come to a few, sums to less than one
DTYPES = (torch.float32, torch.float64)
_Answers = tuple[Tensor, ...]  # outputs, gradients of images, weight, bias


@dataclass(frozen=True, slots=True)
class Case:
    """A convolution of random shape.

    Attributes:
        images: (N, C, H, W).
        weight: (K, C/groups, R, S).
        options: stride, padding, dilation, groups, as `nn.Conv2d` takes them.
        seed: of the values.
    """

    images: tuple[int, int, int, int]
    weight: tuple[int, int, int, int]
    options: dict[str, Any]
    seed: int

    def __str__(self) -> str:
        options = ", ".join(f"{name} {value}" for name, value in self.options.items())
        return f"{'×'.join(map(str, self.images))} with {'×'.join(map(str, self.weight))}, {options}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an algorithm did in all cases.

    Attributes:
        algorithm: a name of ALGORITHMS.
        compared: cases that it computed, in float32 and in float64.
        refused: cases that it cannot compute.
        why: the first refusal; empty where there was none.
        worst: largest error of outputs and gradients, in roundings, by dtype.
        worst_case: where that was, over both dtypes; None where nothing was compared.
    """

    algorithm: str
    compared: int
    refused: int
    why: str
    worst: dict[torch.dtype, float]
    worst_case: Case | None

    @property
    def is_equal(self) -> bool:
        """True where every error is within rounding."""
        return all(error <= BOUND for error in self.worst.values())


def random_cases(number: int, *, seed: int) -> Iterator[Case]:
    """Yields small shapes: strided, padded, dilated, grouped; a third are 3×3 with stride 1."""
    draw = random.Random(seed)
    for place in range(number):
        groups = draw.choice((1, 1, 1, 2, 3))
        channels, kernels = groups * draw.randint(1, 20 // groups), groups * draw.randint(1, 4)
        plain = place % 3 == 0
        r, s = (3, 3) if plain else (draw.randint(1, 5), draw.randint(1, 5))
        stride, dilation = (1, 1) if plain else (draw.randint(1, 3), draw.randint(1, 2))
        padding = draw.randint(0, 2)
        height, width = (max(1, dilation * (k - 1) + 1 - 2 * padding) + draw.randint(0, 9) for k in (r, s))
        yield Case(
            images=(draw.randint(1, 3), channels, height, width),
            weight=(kernels, channels // groups, r, s),
            options={"stride": stride, "padding": padding, "dilation": dilation, "groups": groups},
            seed=draw.randrange(2**31),
        )


def check(algorithms: Sequence[str], cases: Iterable[Case]) -> Iterator[Verdict]:
    """Yields a verdict per algorithm.

    Raises:
        ConvolutionError: no such algorithm.
    """
    known = list(cases)
    for name in algorithms:
        yield _verdict(name, known)


def _verdict(algorithm: str, cases: Sequence[Case]) -> Verdict:
    worst, worst_case, refused, why = dict.fromkeys(DTYPES, 0.0), None, 0, ""
    for case in cases:
        options = case.options
        no = refusal(
            algorithm,
            kernel_size=(case.weight[2], case.weight[3]),
            stride=options["stride"],
            dilation=options["dilation"],
        )
        if no is not None:
            refused, why = refused + 1, why or no
            continue
        for dtype in DTYPES:
            error = error_of(algorithm, case, dtype)
            if worst_case is None or error > max(worst.values()):
                worst_case = case
            worst[dtype] = max(worst[dtype], error)
    return Verdict(algorithm, len(cases) - refused, refused, why, worst, worst_case)


def error_of(algorithm: str, case: Case, dtype: torch.dtype) -> float:
    """Returns the largest error of outputs and gradients in one case, in roundings of the dtype."""
    generator = torch.Generator().manual_seed(case.seed)
    tensors = [
        torch.randn(size, generator=generator, dtype=torch.float64).to(dtype)
        for size in (case.images, case.weight, case.weight[:1])
    ]
    library, ours = partial(F.conv2d, **case.options), partial(convolve, algorithm=algorithm, **case.options)
    gradient = torch.randn(library(*tensors).shape, generator=generator, dtype=torch.float64).to(dtype)
    exact = _answers(library, [one.double() for one in tensors], gradient.double())
    largest = _answers(library, [one.double().abs() for one in tensors], gradient.double().abs())
    made = _answers(ours, tensors, gradient)
    eps = torch.finfo(dtype).eps
    overall = max(
        size.max() for size in largest
    )  # where a kernel sees padding alone, a gradient has no terms
    return max(
        ((mine.double() - right).abs().max() / (eps * (size.max() or overall))).item()
        for mine, right, size in zip(made, exact, largest, strict=True)
    )


def _answers(convolution: Any, tensors: Sequence[Tensor], gradient: Tensor) -> _Answers:  # noqa: ANN401 - partial
    inputs = [one.clone().requires_grad_() for one in tensors]
    out: Tensor = convolution(*inputs)
    return (out.detach(), *torch.autograd.grad(out, inputs, gradient))
