"""The algorithms as a layer: `nn.Conv2d` with one more argument, and the exchange of a model's layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from cnnexp.convolution.choice import check_name, refusal
from cnnexp.convolution.convolve import convolve
from cnnexp.errors import ConvolutionError


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` computed by an algorithm of ours: same arguments, same initial weights, same `state_dict`.

    Args:
        *args: as for `nn.Conv2d`.
        algorithm: one of ALGORITHMS.
        **kwargs: as for `nn.Conv2d`.

    Raises:
        ConvolutionError: no such algorithm, or it cannot compute this layer.
    """

    def __init__(self, *args: Any, algorithm: str = "auto", **kwargs: Any) -> None:  # noqa: ANN401  # nn.Conv2d's own
        super().__init__(*args, **kwargs)
        self.algorithm = algorithm
        reason = layer_refusal(self, algorithm)
        if reason is not None:
            raise ConvolutionError(reason)

    def forward(self, images: Tensor) -> Tensor:
        """Convolves images (N, C, H, W) or (C, H, W)."""
        padding = self.padding
        if self.padding_mode != "zeros":  # reflected or repeated pixels are put there before, as in nn.Conv2d
            images = F.pad(images, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0, 0)
        return convolve(
            images, self.weight, self.bias, stride=self.stride, padding=padding, dilation=self.dilation,
            groups=self.groups, algorithm=self.algorithm,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """What `print(model)` shows in the brackets."""
        return f"{super().extra_repr()}, algorithm={self.algorithm}"  # type: ignore[no-untyped-call]  # torch ships it untyped


def layer_refusal(layer: nn.Conv2d, algorithm: str) -> str | None:
    """Returns the sentence why an algorithm cannot compute a layer; None where it can."""
    return refusal(algorithm, kernel_size=layer.kernel_size, stride=layer.stride, dilation=layer.dilation)


def check_model(model: nn.Module, algorithm: str) -> None:
    """Refuses an algorithm that cannot compute every convolution of a model.

    Raises:
        ConvolutionError: naming the first layer that it cannot compute, or no such algorithm.
    """
    check_name(algorithm)
    for name, layer in model.named_modules():
        if _is_plain(layer) and (reason := layer_refusal(layer, algorithm)) is not None:
            raise ConvolutionError(f"layer {name or type(model).__name__}: {reason}")


def replace_convolutions(model: nn.Module, algorithm: str) -> nn.Module:
    """Puts a `Conv2d` of ours in the place of every `nn.Conv2d` of a model, and returns the model.

    The parameters stay the same objects: an optimizer made before goes on, and names in `state_dict` stay.
    Hooks stay too. Subclasses of `nn.Conv2d` compute in a way of their own and are left alone.

    Raises:
        ConvolutionError: as `check_model`; nothing is exchanged then.
    """
    check_model(model, algorithm)
    made: dict[nn.Module, Conv2d] = {}
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if _is_plain(child):
                setattr(parent, name, made.setdefault(child, _exchange(child, algorithm)))
    return _exchange(model, algorithm) if _is_plain(model) else model


def _is_plain(layer: nn.Module) -> bool:
    return type(layer) in {nn.Conv2d, Conv2d}


def _exchange(layer: nn.Module, algorithm: str) -> Conv2d:
    twin = Conv2d.__new__(Conv2d)
    twin.__dict__.update(layer.__dict__)
    twin.algorithm = algorithm
    return twin
