"""Which algorithm computes a network's convolutions: another way to the same numbers, on the same weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from cnnexp.models.twin import watch_twin

TORCH = "torch"  # the library's own


def with_algorithm(network: nn.Module, algorithm: str) -> nn.Module:
    """Returns a network with the same weights whose convolutions are computed by an algorithm of ours.

    Weights and buffers are shared, not copied: whichever of the two is trained, both are. The weights were
    drawn before, so that two runs with different algorithms start from the same ones.

    Args:
        network: with torch's convolutions; stays as it is.
        algorithm: `torch` (the network itself is returned), or one of `cnnexp.convolution.ALGORITHMS`.

    Raises:
        ConvolutionError: the algorithm cannot compute one of the layers; the sentence names it.
    """
    if algorithm == TORCH:
        return network
    from cnnexp.convolution import replace_convolutions

    shared: dict[int, object] = {id(one): one for one in (*network.parameters(), *network.buffers())}
    for layer in network.modules():  # their tables too: a layer may put another tensor in a buffer's place
        shared |= {id(table): table for table in (layer._parameters, layer._buffers)}
    return replace_convolutions(copy.deepcopy(network, shared), algorithm)


def has_convolutions(network: nn.Module) -> bool:
    """Tells whether an algorithm of ours changes anything."""
    return any(isinstance(layer, nn.Conv2d) for layer in network.modules())


@dataclass(frozen=True, slots=True)
class ConvolutionCall:
    """One convolution of a network on one batch.

    Attributes:
        name: of the layer.
        layer: itself.
        images: shape (N, C, H, W) of what it gets.
    """

    name: str
    layer: nn.Conv2d
    images: tuple[int, ...]


def calls_of(network: nn.Module, shape: tuple[int, ...]) -> list[ConvolutionCall]:
    """Returns every convolution that a batch (N, C, H, W) meets, in order, without computing it."""

    def watch(twin: nn.Module, images: Tensor) -> list[ConvolutionCall]:
        found: list[ConvolutionCall] = []

        def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if isinstance(layer, nn.Conv2d):
                found.append(ConvolutionCall(name, layer, tuple(inputs[0].shape)))

        for name, layer in twin.named_modules():
            layer.register_forward_pre_hook(partial(note, name))
        twin(images)
        return found

    return watch_twin(network, shape, watch)


def choices_of(network: nn.Module, shape: tuple[int, ...]) -> str:
    """Returns what `auto` takes for each convolution of a batch (N, C, H, W), and why, a line each."""
    from cnnexp.convolution import choose

    lines = []
    for call in calls_of(network, shape):
        layer = call.layer
        choice = choose(
            call.images,
            tuple(layer.weight.shape),
            stride=layer.stride,
            dilation=layer.dilation,
            groups=layer.groups,
        )
        lines.append(f"{call.name}: {choice.algorithm}, for {choice.why}\n")
    return "".join(lines)
