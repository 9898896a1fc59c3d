"""Which layer of a network it is that an export refuses: the innermost that is refused when tried alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

Written_co = TypeVar("Written_co", covariant=True)


class Attempt(Protocol[Written_co]):
    """Exports a module, given what it is called with; raises where it refuses."""

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], /) -> Written_co:
        """Returns what it exports to."""
        ...


def failing_layer(network: nn.Module, images: Tensor, attempt: Attempt[object]) -> str:
    """Returns the layer's name and type, such as `block.svd (Svd)`.

    Exporters name operations, and each in its own way; so each layer is tried alone, with what it gets in a
    pass, from the outside in.

    Args:
        network: that `attempt` refuses.
        images: that it takes.
        attempt: raises for a module that it refuses, given what the module is called with.
    """
    calls: dict[nn.Module, tuple[Any, ...]] = {}

    def watch(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        calls.setdefault(module, arguments)

    hooks = [module.register_forward_pre_hook(watch) for module in network.modules()]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()

    found: tuple[str, nn.Module] = "", network
    while inner := next((one for one in _called(*found, calls) if _is_refused(one[1], calls, attempt)), None):
        found = inner
    name, module = found
    return f"{name} ({type(module).__name__})" if name else type(module).__name__


def _called(
    name: str, module: nn.Module, calls: dict[nn.Module, tuple[Any, ...]]
) -> Iterator[tuple[str, nn.Module]]:
    """Yields the outermost modules inside one that are called; a ModuleList, say, is not."""
    for own_name, child in module.named_children():
        whole_name = f"{name}.{own_name}" if name else own_name
        if child in calls:
            yield whole_name, child
        else:
            yield from _called(whole_name, child, calls)


def _is_refused(module: nn.Module, calls: dict[nn.Module, tuple[Any, ...]], attempt: Attempt[object]) -> bool:
    try:
        attempt(module, calls[module])
    except Exception:  # exporters raise anything
        return True
    return False
