"""A blank sqlite store for a new folder: MLflow's tables as its forty migrations make them, no rows.

Running the migrations takes 0.6 to 1.4 s; copying what they made last time takes some milliseconds. The copy
lies in the user's cache, by MLflow's version, and is only ever a short cut: where it is missing or unreadable
MLflow makes the store itself.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from cnnexp.cache_folder import cache_folder


def copy_blank(file: Path) -> bool:
    """Makes a new store from the kept one; returns False where MLflow has to make it.

    Args:
        file: of the store; does not exist, or is empty.
    """
    with suppress(OSError, sqlite3.Error), _replaced(file) as part:
        shutil.copyfile(_kept(), part)
        with closing(sqlite3.connect(part)) as copy:
            copy.execute("SELECT version_num FROM alembic_version")  # raises where it is no store
        return True
    return False


def keep_blank(file: Path) -> None:
    """Keeps a store that MLflow has just made, without its rows: the default experiment names its folder."""
    kept = _kept()
    with suppress(OSError, sqlite3.Error):  # a cache that cannot be written: the next store takes longer
        kept.parent.mkdir(parents=True, exist_ok=True)
        with (
            _replaced(kept) as part,
            closing(sqlite3.connect(file)) as made,
            closing(sqlite3.connect(part)) as blank,
        ):
            made.backup(blank)
            blank.execute("DELETE FROM experiments")
            blank.execute("DELETE FROM experiment_tags")
            blank.commit()
            blank.execute("PRAGMA journal_mode=delete")  # one file, without a log beside it
            blank.execute("VACUUM")  # what was deleted is not in the file any more


@contextmanager
def _replaced(file: Path) -> Iterator[Path]:
    """Hands out a file beside, which takes the name when it is whole, and is removed when that fails."""
    part = file.with_name(f".{file.name}.part-{os.getpid()}")
    try:
        yield part
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _kept() -> Path:
    return cache_folder() / "stores" / f"mlflow-{version('mlflow')}.db"
