"""What a trained network has learned, as plain arrays: first-layer filters, feature maps, Grad-CAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnexp.errors import ModelError, did_you_mean

Floats = npt.NDArray[np.float32]
MAP_AXES = 4  # N, C, H, W


@dataclass(frozen=True, slots=True)
class Filters:
    """Weights of the first layer: float32 (K, C, R, S), of a linear layer (K, C, H, W)."""

    layer: str
    weights: Floats


@dataclass(frozen=True, slots=True)
class Attention:
    """Where a network looks.

    Attributes:
        layer: whose maps were weighted.
        maps: float32 (N, H, W) in [0, 1], at the image's size; all 0 where nothing speaks for the class.
        map_size: height and width of the layer's own maps.
        classes: int64 (N,), the class each map is of.
        probabilities: float32 (N, K), of every class.
    """

    layer: str
    maps: Floats
    map_size: tuple[int, int]
    classes: npt.NDArray[np.int64]
    probabilities: Floats


def first_filters(network: nn.Module, shape: tuple[int, int, int]) -> Filters | None:
    """Returns the weights of the first convolution, or of a linear layer that reads the pixels of an image.

    Args:
        network: on any device.
        shape: (C, H, W) of the images.
    """
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            return Filters(name, layer.weight.detach().float().cpu().numpy())
        if isinstance(layer, nn.Linear):
            is_of_pixels = layer.in_features == int(np.prod(shape))
            weights = layer.weight.detach().float().cpu()
            return Filters(name, weights.reshape(-1, *shape).numpy()) if is_of_pixels else None
    return None


def convolutions(network: nn.Module) -> tuple[str, ...]:
    """Returns the names of the convolutions, in order."""
    return tuple(name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d))


def feature_maps(network: nn.Module, images: Tensor, layers: Sequence[str]) -> dict[str, Floats]:
    """Returns what layers give out: float32 (N, C, H, W) each.

    Args:
        network: in evaluation mode.
        images: preprocessed, float (N, C, H, W), on the network's device.
        layers: names of layers that give out maps.
    """
    found: dict[str, Floats] = {}

    def keep(name: str, output: Tensor) -> None:
        found[name] = output.detach().float().cpu().numpy().copy()  # a ReLU in place would change it

    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _layer, _inputs, output, name=name: keep(name, output)
        )
        for name in layers
    ]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def grad_cam(
    network: nn.Module, images: Tensor, classes: Tensor | None = None, *, layer: str | None = None
) -> Attention:
    """Weighs a layer's maps by how much each speaks for a class, averaged over the map; cuts what is below 0.

    Args:
        network: in evaluation mode, returning logits; its weights and their gradients stay as they are.
        images: preprocessed, float (N, C, H, W), on the network's device.
        classes: int64 (N,); None takes the predicted ones.
        layer: name of the layer; None takes the last convolution.

    Raises:
        ModelError: no such layer, none of a convolution, or it gives out no maps.

    Source: R. Selvaraju et al., Grad-CAM, arXiv:1610.02391, equations 1 and 2.
    """
    name = _map_layer(network, layer)
    kept: list[Tensor] = []

    def keep(_layer: nn.Module, _inputs: object, output: object) -> object:
        if not isinstance(output, Tensor) or output.dim() != MAP_AXES:
            raise ModelError(f"layer {name} gives out no maps of shape (C, H, W); name another with --layer.")
        kept.append(output)
        return output.clone()  # a ReLU in place behind it must not change what the gradient is taken of

    hook = network.get_submodule(name).register_forward_hook(keep)
    try:
        with torch.enable_grad():  # frozen weights need no gradient: the images ask for it
            logits = network(images.detach().requires_grad_())
            wanted = logits.argmax(dim=1) if classes is None else classes.to(logits.device)
            scores = logits.gather(1, wanted[:, None]).sum()
            (gradient,) = torch.autograd.grad(scores, kept[-1])
    finally:
        hook.remove()
    maps = kept[-1].detach().float()
    weights = gradient.float().mean(dim=(2, 3), keepdim=True)
    heat = F.relu((weights * maps).sum(dim=1, keepdim=True))
    heat = F.interpolate(heat, size=images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    largest = heat.amax(dim=(1, 2), keepdim=True)
    heat = heat / torch.where(largest > 0, largest, torch.ones_like(largest))
    return Attention(
        name,
        heat.cpu().numpy(),
        (maps.shape[2], maps.shape[3]),
        wanted.cpu().numpy(),
        logits.detach().float().softmax(dim=1).cpu().numpy(),
    )


def _map_layer(network: nn.Module, layer: str | None) -> str:
    if layer is None:
        found = convolutions(network)
        if not found:
            raise ModelError("the network has no convolution, so there are no maps for Grad-CAM to weigh.")
        return found[-1]
    names = [name for name, _ in network.named_modules() if name]
    if layer not in names:
        raise ModelError(
            f"the network has no layer {layer!r}{did_you_mean(layer, names)} Its convolutions: "
            f"{', '.join(convolutions(network)) or 'none'}."
        )
    return layer
