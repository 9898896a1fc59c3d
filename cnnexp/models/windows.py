"""A layer that gets fewer pixels than its window covers says so before it runs, in any network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from cnnexp.models.stack import ImageTooSmallError

WINDOWED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@contextmanager
def refusing_small_images(model: nn.Module) -> Iterator[None]:
    """Within it every convolution and pooling raises `ImageTooSmallError` where torch would fail on sizes."""
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, WINDOWED)]
    hooks = [layer.register_forward_pre_hook(partial(_check, name)) for name, layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _check(name: str, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    height, width = inputs[0].shape[-2:]
    sides = [_needed(layer, axis) for axis in (0, 1)]
    if height < sides[0] or width < sides[1]:
        raise ImageTooSmallError(name, (height, width), max(sides))


def _needed(layer: nn.Module, axis: int) -> int:
    """Returns the fewest pixels along an axis that leave one: the window less what padding adds.

    Where the output size is rounded up (`ceil_mode`), a window may lack up to stride − 1 pixels.
    """
    window, dilation = (_along(getattr(layer, what, 1), axis) for what in ("kernel_size", "dilation"))
    padding = getattr(layer, "padding", 0)
    if isinstance(padding, str):  # "same" and "valid"
        return 1 if padding == "same" else dilation * (window - 1) + 1
    lacking = _along(layer.stride, axis) - 1 if getattr(layer, "ceil_mode", False) else 0
    return max(1, dilation * (window - 1) + 1 - 2 * _along(padding, axis) - lacking)


def _along(value: object, axis: int) -> int:
    one = value[axis] if isinstance(value, tuple) else value
    assert isinstance(one, int)
    return one
