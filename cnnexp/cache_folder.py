"""Where this user's caches lie: what can be made again at any time, and is kept to save that time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER_VARIABLE = "CNNEXP_CACHE_DIR"
RUN_FILES = "runs"  # folder in it: files of runs that a server keeps


def cache_folder() -> Path:
    """Returns the folder: CNNEXP_CACHE_DIR, else the platform's own place for a user's caches."""
    if own := os.environ.get(FOLDER_VARIABLE):
        return Path(own).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cnnexp"
