"""W9: between its first and its last batch an epoch never waits for the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cnnexp.data.augment import augmentation
from cnnexp.training.step import Loss
from tests.unit.training.toy import toy_loop

aten = torch.ops.aten


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch ships it untyped
    """Counts operations that a GPU must have finished before Python can go on.

    `.item()`, `float()`, `bool()` and `if` read a number; `nonzero` and a mask as an index, a length.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.count = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.count += func in {aten._local_scalar_dense.default, aten.nonzero.default, aten.equal.default}
        if func.overloadpacket in {aten.index, aten.index_put, aten.index_put_}:
            self.count += any(index is not None and index.dtype == torch.bool for index in args[1])
        return func(*args, **(kwargs or {}))


def waits_of_an_epoch(folder: Path, num_batches: int, augment: str, settings: dict[str, Any]) -> int:
    loss = Loss(torch.tensor([0.5, 2.0]), 0.1)
    loop = toy_loop(
        folder, epochs=1, num_images=8 * num_batches, loss=loss, augment=augmentation(augment), **settings
    )
    waits = Waits()
    with waits:
        next(loop.run())
    return waits.count


@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip", "photo"])
@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "sgd", "clip_norm": 0.1}, {"optimizer": "rmsprop"}], ids=str
)
def test_an_epoch_waits_as_often_for_the_device_with_few_batches_as_with_many(
    tmp_path: Path, augment: str, settings: dict[str, Any]
) -> None:
    few, many = (waits_of_an_epoch(tmp_path, count, augment, settings) for count in (2, 9))
    assert few == many


@pytest.mark.parametrize(
    "wait", [lambda t: t.item(), lambda t: bool(t > 0), lambda t: t[t > 0], torch.nonzero]
)
def test_the_count_sees_what_waits(wait: Any) -> None:
    waits = Waits()
    with waits:
        wait(torch.ones(1))
    assert waits.count == 1
