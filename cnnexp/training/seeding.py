"""Randomness as a pure function of (seed, epoch): what makes an exact resume need no stored random state."""

from __future__ import annotations

import random

import numpy as np
import torch

LARGEST = 2**32


def derive_seed(seed: int, *path: int) -> int:
    """Returns a seed below 2^32 for a place in the run; nearby inputs give unrelated seeds."""
    return int(np.random.SeedSequence((seed, *path)).generate_state(1)[0])


def seed_everything(seed: int, *path: int) -> None:
    """Seeds torch (every device), NumPy and Python: a user's model may draw from any of them."""
    derived = derive_seed(seed, *path)
    random.seed(derived)
    np.random.seed(derived % LARGEST)  # noqa: NPY002 - plug-ins may use the global generator
    torch.manual_seed(derived)
