"""Of this process: what must be noted when it starts, and what must begin early to be ready in time.

This module knows nothing of the rest of the package.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from multiprocessing.context import BaseContext

STARTED_BY = os.getppid()  # the parent may end while the libraries are still being imported

# What the server of workers imports once, so that no worker does.
_IMPORTED_BY_THE_SERVER = "cnnexp.tuning.preload"


def collect_rarely() -> None:
    """Lets the garbage collector look at 100,000 new objects at a time, not at 700.

    torch, MLflow and their like make a million objects while they are imported, and all of them stay: looking
    through them again and again costs a fifth of a second for each that the imports take.
    """
    gc.set_threshold(100_000, 20, 20)


def worker_context() -> BaseContext:
    """Returns how workers are made: forked from a server that has imported everything once, if possible."""
    return multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")


def warm_up_workers() -> None:
    """Starts the server of workers, if it is not there yet; it imports while this process goes on.

    Its second call costs nothing. Where no worker is needed in the end, the server ends with this process.
    """
    if sys.platform == "win32":
        return
    from multiprocessing import forkserver

    multiprocessing.get_context("forkserver").set_forkserver_preload([_IMPORTED_BY_THE_SERVER])
    forkserver.ensure_running()
