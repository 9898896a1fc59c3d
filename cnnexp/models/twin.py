"""A copy of a network to be looked at while it runs: the network itself is neither run nor changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from cnnexp.errors import UserError

Found = TypeVar("Found")


def watch_twin(
    model: nn.Module, shape: tuple[int, ...], watch: Callable[[nn.Module, Tensor], Found]
) -> Found:
    """Hands a copy of a model, in evaluation mode, and images of a shape (N, C, H, W) to a watcher.

    Both lie on the meta device: shapes without values, no memory, some milliseconds. A network that needs
    values (it calls `.item()`, say) fails there in any way, and is copied to the CPU and fed with zeros.
    """
    try:
        with torch.no_grad():
            return watch(without_values(model).eval(), torch.empty(shape, device="meta"))
    except UserError:
        raise
    except Exception:  # what a user's code raises on the meta device is anybody's guess
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return watch(copy.deepcopy(model).cpu().eval(), torch.zeros(shape))


def leaves(model: nn.Module) -> dict[str, nn.Module]:
    """Returns the layers that have no layers inside, by name."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if name and not any(True for _ in layer.children())
    }


def without_values(model: nn.Module) -> nn.Module:
    """Returns a copy on the meta device: shapes, and no memory."""
    twins: dict[int, Tensor] = {id(buffer): buffer.to("meta") for buffer in model.buffers()}
    for weight in model.parameters():
        twins[id(weight)] = nn.Parameter(weight.detach().to("meta"), requires_grad=weight.requires_grad)
    return copy.deepcopy(model, twins)
