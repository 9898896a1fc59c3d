"""Data sets: found, decoded once, parted, batched.

Names are loaded when they are used: `cnnexp datasets` needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnexp.data.load import load_dataset

__all__ = ["load_dataset"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name == "load_dataset":
        from cnnexp.data.load import load_dataset

        return load_dataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
