"""How weights start."""

from __future__ import annotations

from typing import Literal

from torch import nn

Initialization = Literal["default", "xavier", "kaiming"]


def initialize(model: nn.Module, how: Initialization) -> None:
    """Draws the weights of every convolution and linear layer anew, and sets their biases to zero.

    Args:
        model: changed in place.
        how: `default` leaves PyTorch's own draw; `xavier` is uniform (Glorot, Bengio, AISTATS 2010), fit for
            sigmoid and tanh; `kaiming` is normal, fan-out (He et al., arXiv:1502.01852), fit for ReLU.
    """
    if how == "default":
        return
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            if how == "xavier":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
