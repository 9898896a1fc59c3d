"""Peak memory of a training step, counted without values: weights, gradients, what backward keeps."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from cnnexp.image_spec import ImageSpec
from cnnexp.models.twin import without_values


class AliveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch ships it untyped
    """Counts the bytes of all storages that are alive, each once however many tensors show it.

    Scratch memory inside a library's kernels is no tensor, and is not seen.

    Args:
        present: tensors that exist already and count.
    """

    def __init__(self, present: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.alive: int = 0
        self.peak: int = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()
        for tensor in present:
            self._add(tensor)

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Runs an operation, and counts what it made."""
        result = func(*args, **(kwargs or {}))
        for one in tree_iter(result):
            if isinstance(one, Tensor):
                self._add(one)
        return result

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        num_bytes = storage.nbytes()
        self.alive += num_bytes
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._free, num_bytes)

    def _free(self, num_bytes: int) -> None:
        self.alive -= num_bytes


def training_step_bytes(model: nn.Module, spec: ImageSpec, batch_size: int) -> int:
    """Returns the most bytes that tensors fill at a time during forward and backward pass of one batch.

    Weights, their gradients, images, kept and passing activations count; an optimizer's own state does not.
    It is counted on the meta device; a model that needs values is run on the CPU.
    """
    try:
        return _counted(without_values(model), spec, batch_size, "meta")
    except Exception:  # what a user's code raises on the meta device is anybody's guess
        with torch.random.fork_rng(devices=[]):
            return _counted(copy.deepcopy(model).cpu(), spec, batch_size, "cpu")


def _counted(twin: nn.Module, spec: ImageSpec, batch_size: int, device: str) -> int:
    images = torch.zeros((batch_size, *spec.shape), device=device)
    labels = torch.zeros(batch_size, dtype=torch.int64, device=device)
    with AliveTensors([*twin.parameters(), *twin.buffers(), images, labels]) as tensors:
        F.cross_entropy(twin.train()(images), labels).backward()  # type: ignore[no-untyped-call]  # likewise
    found: int = tensors.peak
    return found
