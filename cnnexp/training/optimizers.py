"""Optimizers by name: what each is built from, and which settings it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnexp.settings.groups import OptimizationSettings

FUSED_DEVICES = {"cpu", "cuda"}  # one kernel per step instead of a dozen per parameter


@dataclass(frozen=True, slots=True)
class OptimizerRecord:
    """An optimizer's class and the settings beyond lr and weight decay that it uses."""

    build: Callable[..., torch.optim.Optimizer]
    uses: tuple[str, ...] = ()
    has_fused: bool = True


OPTIMIZERS = {
    "adam": OptimizerRecord(torch.optim.Adam),
    "adamw": OptimizerRecord(torch.optim.AdamW),
    "sgd": OptimizerRecord(torch.optim.SGD, uses=("momentum", "nesterov")),
    # Without momentum, as Hinton's lecture, PyTorch and Keras have it: 0.9 would be ten times the lr.
    "rmsprop": OptimizerRecord(torch.optim.RMSprop, has_fused=False),
}


def build_optimizer(
    parameters: Iterable[nn.Parameter], settings: OptimizationSettings, device: torch.device
) -> torch.optim.Optimizer:
    """Returns the optimizer over the parameters that learn."""
    record = OPTIMIZERS[settings.optimizer]
    options: dict[str, Any] = {name: getattr(settings, name) for name in record.uses}
    if record.has_fused and device.type in FUSED_DEVICES:
        options["fused"] = True
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    return record.build(learning, lr=settings.lr, weight_decay=settings.weight_decay, **options)


def unused_settings(settings: OptimizationSettings) -> set[str]:
    """Returns the settings that change nothing in this run: what was not built is not logged."""
    unused = {"momentum", "nesterov"} - set(OPTIMIZERS[settings.optimizer].uses)
    if settings.schedule != "step":
        unused |= {"step_epochs", "step_factor"}
    return unused
