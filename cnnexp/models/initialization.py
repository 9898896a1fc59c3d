"""How weights start."""

from __future__ import annotations

from typing import Literal

from torch import nn

Initialization = Literal["default", "xavier", "kaiming"]

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
DRAWN = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED, nn.Linear, nn.Bilinear)
NORMS = (nn.LayerNorm, nn.RMSNorm)  # those of batches, groups and instances have one axis only


def initialize(model: nn.Module, how: Initialization) -> tuple[str, ...]:
    """Draws the weights of every convolution and linear layer anew, and sets their biases to zero.

    Norm layers start at scale 1 and shift 0 whatever is asked for: that is what makes them neutral. A layer
    of another kind, written by hand say, keeps its own draw: its axes may mean anything.

    Args:
        model: changed in place.
        how: `default` leaves PyTorch's own draw; `xavier` is uniform (Glorot, Bengio, AISTATS 2010), fit for
            sigmoid and tanh; `kaiming` is normal, fan-out (He et al., arXiv:1502.01852), fit for ReLU.

    Returns:
        The names of the weights (two axes or more) that kept their own draw though another was asked for.
    """
    if how == "default":
        return ()
    kept: list[str] = []
    for name, layer in model.named_modules():
        if isinstance(layer, DRAWN):
            _draw(layer, how)
        elif not isinstance(layer, NORMS):
            own = layer.named_parameters(prefix=name, recurse=False)
            kept += [path for path, weight in own if weight.dim() > 1]
    return tuple(kept)


def _draw(layer: nn.Module, how: Initialization) -> None:
    weight, bias = layer.get_parameter("weight"), layer.bias
    if how == "xavier":
        nn.init.xavier_uniform_(weight)
    else:  # the axes of a transposed convolution are (in, out): its fan-out is what torch calls fan-in
        mode: Literal["fan_in", "fan_out"] = "fan_in" if isinstance(layer, TRANSPOSED) else "fan_out"
        nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu")
    if isinstance(bias, nn.Parameter):
        nn.init.zeros_(bias)
