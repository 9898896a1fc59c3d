"""How an image flows through a network: which layer feeds which, and what each value can have seen of it.

It is read off the operations one forward pass calls (on the meta device they cost nothing), so that branches,
additions and poolings written as functions are seen as well as layers. Nothing here needs to know the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from cnnexp.models.field import Field, field_after

PIXEL_AXES = 4  # N, C, H, W
_JOINS = {"add": "+", "add_": "+", "mul": "×", "mul_": "×", "cat": "concat"}


@dataclass(frozen=True, slots=True)
class Step:
    """A layer that was called, or a place where branches meet.

    Attributes:
        name: the layer's; of a meeting place the name of the module it is in ("" for the network itself).
        layer: None for a meeting place.
        kind: of the layer, or `+`, `×`, `concat`.
        inputs: positions of the steps it is fed by; -1 is the image.
        output_shape: without the batch axis.
        field: height and width of what a value can depend on, in pixels of the image; None: not known.
    """

    name: str
    layer: nn.Module | None
    kind: str
    inputs: tuple[int, ...]
    output_shape: tuple[int, ...]
    field: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of a tensor: the steps it comes from, and how much of the image its values saw."""

    sources: frozenset[int]
    field: Field | None


class Flow(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch ships it untyped
    """Follows one forward pass of a network.

    Args:
        network: gets hooks: hand in a copy that is thrown away.
        images: (N, C, H, W), what the network is about to be called with.

    Attributes:
        steps: what was called, in order.
        blocks: by name, what the last call of a module with layers inside gave out.
    """

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.steps: list[Step] = []
        self.blocks: dict[str, Step] = {}
        self._sides: tuple[int, int] = (images.shape[-2], images.shape[-1])
        self._inside: list[str] = []
        self._seen: Any = WeakTensorKeyDictionary()  # untyped in torch
        self._seen[images] = _Seen(frozenset({-1}), Field.of_image())
        for name, layer in network.named_modules():
            if any(True for _ in layer.children()) or not name:
                layer.register_forward_pre_hook(partial(self._enter, name))
                layer.register_forward_hook(partial(self._leave, name), always_call=True)
            else:
                layer.register_forward_hook(partial(self._note, name))

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Runs an operation and notes what its result has seen."""
        result = func(*args, **(kwargs or {}))
        inputs = [tensor for tensor in _tensors(args) if tensor in self._seen]
        if inputs:
            seen = self._merged(func, args, inputs, result)
            for tensor in _tensors((result,)):
                self._seen[tensor] = seen
        return result

    def _merged(
        self, func: OpOverload[..., Any], args: tuple[Any, ...], inputs: list[Tensor], result: object
    ) -> _Seen:
        known = [self._seen[tensor] for tensor in inputs]
        field = field_after(func, args, [one.field for one in known], inputs[0].shape, result)
        ways = {one.sources for one in known}
        sign = _JOINS.get(func.__name__.partition(".")[0])
        if len(ways) == 1 or sign is None or not isinstance(result, Tensor):
            return _Seen(frozenset().union(*ways), field)
        inside = self._inside[-1] if self._inside else ""
        return self._step(inside, None, sign, frozenset().union(*ways), field, result)

    def _note(self, name: str, layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        """Makes a step of a layer's call; what it gave out comes from it alone."""
        before = [self._seen[one] for one in _tensors(inputs) if one in self._seen]
        outputs = list(_tensors((output,)))
        if not outputs:
            return
        sources: frozenset[int] = frozenset().union(*(one.sources for one in before))
        known = self._seen.get(outputs[0])
        field = known.field if known is not None else None
        if field is None and isinstance(layer, nn.Conv2d) and before and before[0].field is not None:
            field = before[0].field.through(layer.kernel_size, layer.stride, layer.dilation)
        seen = self._step(name, layer, type(layer).__name__, sources, field, outputs[0])
        for tensor in outputs:
            if before:
                self._seen[tensor] = seen

    def _step(
        self, name: str, layer: nn.Module | None, kind: str, sources: frozenset[int], field: Field | None,
        output: Tensor,
    ) -> _Seen:  # fmt: skip
        size = None if field is None else field.within(self._sides)
        step = Step(name, layer, kind, tuple(sorted(sources)), tuple(output.shape[1:]), size)
        self.steps.append(step)
        return _Seen(frozenset({len(self.steps) - 1}), field)

    def _enter(self, name: str, _layer: nn.Module, _inputs: object) -> None:
        self._inside.append(name)

    def _leave(self, name: str, block: nn.Module, _inputs: object, output: object) -> None:
        self._inside.pop()
        if isinstance(output, Tensor):
            known = self._seen.get(output)
            size = None if known is None or known.field is None else known.field.within(self._sides)
            self.blocks[name] = Step(name, block, type(block).__name__, (), tuple(output.shape[1:]), size)


def follow(network: nn.Module, images: Tensor) -> tuple[Step, ...]:
    """Calls a network once and returns what was called in it, in order. The network gets hooks."""
    with torch.no_grad(), Flow(network, images) as flow:
        network(images)
    return tuple(flow.steps)


def _tensors(values: object) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for one in values:
            yield from _tensors(one)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))
