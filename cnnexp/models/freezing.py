"""Freezing all of a network but its head; what is frozen stays as it is while the rest trains."""

from __future__ import annotations

from torch import nn


def head_of(model: nn.Module) -> tuple[str, nn.Module]:
    """Returns the last linear layer and its name; without one, the last layer that has weights.

    Raises:
        IndexError: the model has no weights.
    """
    layers = [
        (name, layer)
        for name, layer in model.named_modules()
        if any(True for _ in layer.parameters(recurse=False))
    ]
    linear = [(name, layer) for name, layer in layers if isinstance(layer, nn.Linear)]
    return (linear or layers)[-1]


def freeze_all_but_head(model: nn.Module) -> str:
    """Lets the head alone learn; returns its name."""
    name, head = head_of(model)
    model.requires_grad_(False)
    head.requires_grad_(True)
    return name


def set_training(model: nn.Module) -> None:
    """Like `model.train()`, but what has weights and learns none of them stays in evaluation mode.

    Else frozen batch norm would go on averaging the statistics of the images, and would not be frozen.
    """
    model.train()
    for layer in model.modules():
        weights = list(layer.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            layer.eval()
