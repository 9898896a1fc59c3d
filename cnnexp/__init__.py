"""cnnexp: MLflow-tracked experiments with convolutional networks.

The public names load what they need when they are first used: importing the package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from cnnexp import process  # noqa: F401 - it notes the parent process, the earlier the better

if TYPE_CHECKING:
    from cnnexp.data.registry import ImageArrays, register_dataset
    from cnnexp.errors import UserError
    from cnnexp.experiment import Listener, Result, train
    from cnnexp.experiment.seeds import train_seeds
    from cnnexp.image_spec import ImageSpec
    from cnnexp.models.registry import register_model
    from cnnexp.results.classifier import Classifier, load
    from cnnexp.results.compare import compare
    from cnnexp.results.evaluate import evaluate
    from cnnexp.results.inspection.entry import inspect
    from cnnexp.results.report import report
    from cnnexp.results.reproduce import reproduce
    from cnnexp.tuning import sweep, tune

__version__ = "0.1.0"

_HOME = {
    "Classifier": "cnnexp.results.classifier",
    "ImageArrays": "cnnexp.data.registry",
    "ImageSpec": "cnnexp.image_spec",
    "Listener": "cnnexp.experiment",
    "Result": "cnnexp.experiment",
    "UserError": "cnnexp.errors",
    "compare": "cnnexp.results.compare",
    "evaluate": "cnnexp.results.evaluate",
    "inspect": "cnnexp.results.inspection.entry",
    "load": "cnnexp.results.classifier",
    "register_dataset": "cnnexp.data.registry",
    "register_model": "cnnexp.models.registry",
    "report": "cnnexp.results.report",
    "reproduce": "cnnexp.results.reproduce",
    "sweep": "cnnexp.tuning",
    "train": "cnnexp.experiment",
    "train_seeds": "cnnexp.experiment.seeds",
    "tune": "cnnexp.tuning",
}
__all__ = [
    "Classifier",
    "ImageArrays",
    "ImageSpec",
    "Listener",
    "Result",
    "UserError",
    "compare",
    "evaluate",
    "inspect",
    "load",
    "register_dataset",
    "register_model",
    "report",
    "reproduce",
    "sweep",
    "train",
    "train_seeds",
    "tune",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'cnnexp' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
