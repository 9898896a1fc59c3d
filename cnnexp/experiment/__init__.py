"""The only assembler: settings become objects, objects become one run.

Names are loaded when they are used: what only reads finished runs needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.experiment.entry import train
    from cnnexp.experiment.listener import Listener, RunFacts
    from cnnexp.experiment.result import Result

_HOME = {
    "Listener": "cnnexp.experiment.listener",
    "Result": "cnnexp.experiment.result",
    "RunFacts": "cnnexp.experiment.listener",
    "train": "cnnexp.experiment.entry",
}
__all__ = ["Listener", "Result", "RunFacts", "train"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
