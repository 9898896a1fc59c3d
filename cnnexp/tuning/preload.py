"""Imported once by the server that workers are forked from: what each of them would import itself.

A worker that begins without all this spends four seconds on 2,500 modules before its first trial.
"""

from __future__ import annotations

import gc

import torch._dynamo  # noqa: F401 - torch's optimizers import it in their first step

import cnnexp.tuning.worker  # noqa: F401
from cnnexp import process
from cnnexp.tracking.opening import import_mlflow

process.collect_rarely()
import_mlflow()
gc.freeze()  # no collection of a worker touches, and so copies, what all of them share
