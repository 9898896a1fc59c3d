"""Settings of `cnnexp conv race`: those of a run, with the defaults of the experiment that it repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cnnexp.settings.groups import Settings


class RaceSettings(Settings):
    """One convolution of 32 kernels, pixels scaled by 0.5 and 0.5, Adam at 0.01, batches of 16, 5 epochs.

    Its 320 training images are kept, its 64×64 pixels are not: loops in Python take time.
    """

    command: ClassVar[str] = "conv race"
    own_defaults: ClassVar[Mapping[str, object]] = {
        "model": "convnet",
        "image_size": 16,
        "fraction": 0.28,  # of the digits: 322 to train with, 80 to validate with
        "normalize": "half",
        "lr": 0.01,
        "batch_size": 16,
        "epochs": 5,
        "log_model": False,  # the same weights, once an algorithm
    }
