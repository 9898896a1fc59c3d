"""The receptive field: how many pixels of the image a value in the middle of a layer can depend on.

Source: a window of k pixels, dilated by d, widens the field by (k − 1)·d·j, where the jump j is the distance,
in pixels of the image, of neighbouring values that it reads; its stride multiplies the jump
(A. Araujo, W. Norris, J. Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

Pair = tuple[float, float]
PIXELS = 2  # H, W: the last axes
_SAME = {  # shapes may change, what a value has seen does not
    "view", "_unsafe_view", "reshape", "_reshape_alias", "t", "transpose", "permute", "clone", "contiguous",
    "detach", "alias", "_to_copy", "copy_", "native_batch_norm", "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "cat", "unsqueeze", "squeeze", "select",
    "slice", "split", "chunk", "native_dropout", "_softmax", "_log_softmax", "channel_shuffle",
    "constant_pad_nd", "flatten", "expand",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """Size of a receptive field and the distance of neighbours, both (height, width) in pixels."""

    size: Pair
    jump: Pair

    @classmethod
    def of_image(cls) -> Field:
        """What a pixel sees: itself."""
        return cls((1, 1), (1, 1))

    def through(self, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Field:
        """Returns the field behind a window."""
        size = tuple(
            s + (k - 1) * d * j for s, k, d, j in zip(self.size, kernel, dilation, self.jump, strict=True)
        )
        jump = tuple(s * j for s, j in zip(stride, self.jump, strict=True))
        return Field((size[0], size[1]), (jump[0], jump[1]))

    def within(self, sides: tuple[int, int]) -> tuple[int, int]:
        """Returns the size in whole pixels; no more than the image has."""
        height, width = (int(min(size, side)) for size, side in zip(self.size, sides, strict=True))
        return height, width


def field_after(
    func: OpOverload[..., Any],
    args: tuple[Any, ...],
    fields: Sequence[Field | None],
    shape: torch.Size,
    result: object,
) -> Field | None:
    """Returns the field behind an operation; None where it is not known.

    Args:
        func: the operator.
        args: as it was called.
        fields: of the inputs that depend on the image.
        shape: of the first of these.
        result: what it returned.
    """
    if any(one is None for one in fields):
        return None
    field = _largest([one for one in fields if one is not None])
    name = func.__name__.partition(".")[0]
    if name in _CHANGES:
        return _CHANGES[name](field, args, shape, result)
    return field if name in _SAME or torch.Tag.pointwise in func.tags else None


def _largest(fields: Sequence[Field]) -> Field:
    """Where branches meet a value sees what the one sees that sees most."""
    size = tuple(max(one.size[axis] for one in fields) for axis in range(PIXELS))
    jump = tuple(max(one.jump[axis] for one in fields) for axis in range(PIXELS))
    return Field((size[0], size[1]), (jump[0], jump[1]))


def _of_convolution(field: Field, args: tuple[Any, ...], _shape: torch.Size, _result: object) -> Field | None:
    weight, stride, dilation, is_transposed = args[1], args[3], args[5], args[6]
    if is_transposed or weight.dim() != PIXELS + 2:
        return None
    return field.through(tuple(weight.shape[2:]), _pair(stride), _pair(dilation))


def _of_window(field: Field, args: tuple[Any, ...], _shape: torch.Size, _result: object) -> Field:
    kernel, *stride = args[1:3]
    return field.through(_pair(kernel), _pair(stride[0]) if stride and stride[0] else _pair(kernel))


def _of_adaptive(field: Field, _args: tuple[Any, ...], shape: torch.Size, result: object) -> Field:
    out = result[0] if isinstance(result, tuple) else result
    assert isinstance(out, Tensor)
    sides = list(zip(shape[-PIXELS:], out.shape[-PIXELS:], strict=True))
    windows = [max(ceil((i + 1) * n / m) - floor(i * n / m) for i in range(m)) for n, m in sides]
    return field.through((windows[0], windows[1]), (sides[0][0] / sides[0][1], sides[1][0] / sides[1][1]))


def _of_reduction(field: Field, args: tuple[Any, ...], shape: torch.Size, _result: object) -> Field | None:
    axes = len(shape)
    over = {axis % axes for axis in (args[1] if len(args) > 1 and args[1] else range(axes))}
    if not over & {axes - 2, axes - 1}:
        return field
    return EVERYTHING if {axes - 2, axes - 1} <= over else None


def _of_product(rows: int, args: tuple[Any, ...]) -> Field | None:
    """One row is one image, all of which is read; more are tokens or patches, of which we know nothing."""
    return EVERYTHING if args[rows].shape[0] == 1 else None


def _pair(value: Any) -> Pair:  # noqa: ANN401 - an int or a list, as operators take them
    sides = list(value) if isinstance(value, (list, tuple)) else [value]
    return (sides[0], sides[-1])


EVERYTHING = Field((inf, inf), (1, 1))
_CHANGES: dict[str, Callable[[Field, tuple[Any, ...], torch.Size, object], Field | None]] = {
    "convolution": _of_convolution,
    "max_pool2d_with_indices": _of_window,
    "avg_pool2d": _of_window,
    "_adaptive_avg_pool2d": _of_adaptive,
    "adaptive_max_pool2d": _of_adaptive,
    "mean": _of_reduction,
    "sum": _of_reduction,
    "amax": _of_reduction,
    "addmm": lambda _field, args, _shape, _result: _of_product(1, args),
    "mm": lambda _field, args, _shape, _result: _of_product(0, args),
}
