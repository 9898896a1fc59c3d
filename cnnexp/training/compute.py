"""On what, and in which arithmetic, a run computes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch

from cnnexp.errors import UserError
from cnnexp.settings.groups import ComputeSettings

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Compute:
    """Device, arithmetic and memory layout, as they are: nothing is `auto` any more."""

    device: torch.device
    precision: str
    memory_format: torch.memory_format

    @property
    def layout(self) -> str:
        """The memory format under its name in the settings."""
        return "channels-last" if self.memory_format is torch.channels_last else "contiguous"

    @property
    def scales_loss(self) -> bool:
        """fp16 gradients underflow unless the loss is scaled (Micikevicius et al., arXiv:1710.03740)."""
        return self.precision == "fp16"

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The context of a forward pass."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=DTYPES[self.precision])


def find_compute(settings: ComputeSettings) -> Compute:
    """Resolves every `auto`, and sets the number of CPU threads where one is given.

    Raises:
        UserError: the device does not exist here, or cannot compute in this precision.
    """
    device = _find_device(settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if device.type == "cuda" and settings.precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise UserError("precision 'bf16' is not supported by this GPU; use --precision fp16 or fp32.")
    # Measured on CPUs and CUDA: convolutions are faster on channels-last; MPS gains nothing.
    auto_last = device.type in {"cpu", "cuda"}
    last = settings.memory_format == "channels-last" or (settings.memory_format == "auto" and auto_last)
    return Compute(device, settings.precision, torch.channels_last if last else torch.contiguous_format)


def available_devices() -> tuple[str, ...]:
    """Returns the devices of this machine, the one that `auto` takes first."""
    found = (
        [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def _find_device(name: str) -> torch.device:
    available = available_devices()
    if name == "auto":
        return torch.device(available[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        raise UserError(
            f"device {name!r} is not available here: this machine has {', '.join(available)}; "
            "use --device auto."
        )
    return torch.device(wanted)
