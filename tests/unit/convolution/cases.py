"""Convolutions to try every algorithm with, and the library's answer to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Case:
    images: tuple[int, ...]
    weight: tuple[int, ...]
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = " ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{'x'.join(map(str, self.images))} {'x'.join(map(str, self.weight))} {options}"

    def integers(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
        """Small whole numbers: every sum and product of them is exact."""
        generator = torch.Generator().manual_seed(0)

        def draw(*size: int) -> Tensor:
            return torch.randint(-4, 5, size, generator=generator).to(dtype).requires_grad_()

        return draw(*self.images), draw(*self.weight), draw(self.weight[0])


# Few channels take whole windows, many take rows of windows.
CASES = (
    Case((2, 3, 7, 9), (4, 3, 3, 3)),
    Case((2, 3, 7, 9), (4, 3, 3, 3), {"padding": 1}),
    Case((2, 4, 9, 8), (6, 2, 3, 3), {"padding": (2, 1), "groups": 2}),
    Case((2, 3, 6, 7), (3, 1, 3, 3), {"padding": "same", "groups": 3}),
    Case((1, 2, 5, 5), (3, 2, 1, 1)),
    Case((2, 2, 9, 9), (3, 2, 1, 1), {"stride": 2}),
    Case((2, 3, 11, 10), (4, 3, 5, 5), {"stride": 2, "padding": 2}),
    Case((2, 3, 12, 11), (2, 3, 3, 2), {"stride": (3, 1), "dilation": (2, 3), "padding": (0, 2)}),
    Case((2, 3, 8, 8), (2, 3, 4, 3), {"padding": "same"}),
    Case((1, 1, 3, 3), (1, 1, 3, 3)),
    Case((0, 3, 5, 5), (2, 3, 3, 3)),
    Case((3, 16, 8, 8), (5, 16, 3, 3), {"padding": 1}),
    Case((2, 16, 13, 9), (4, 16, 5, 3), {"stride": 2, "padding": 2}),
    Case((2, 16, 12, 12), (4, 16, 3, 3), {"stride": 3, "dilation": 2, "padding": 3}),
    Case((2, 32, 7, 7), (4, 16, 3, 3), {"groups": 2, "padding": (1, 0)}),
    Case((2, 16, 5, 5), (3, 16, 3, 3), {"padding": 4}),
)
SMALL = tuple(case for case in CASES if case.images[1] * case.weight[0] <= 30)


def library(case: Case, tensors: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return F.conv2d(*tensors, **case.arguments)


def gradients(out: Tensor, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Of a weighted sum of the outputs, the weights being small whole numbers."""
    weights = torch.arange(out.numel()).reshape(out.shape).remainder(7).to(out) - 3
    return torch.autograd.grad(out, tensors, weights)
