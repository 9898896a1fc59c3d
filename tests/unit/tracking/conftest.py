"""A store for every test, in its own folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cnnexp.tracking.store import Store, open_store


@pytest.fixture
def database(_empty_store: Path, tmp_path: Path) -> Path:
    """An empty store's database."""
    return Path(shutil.copy(_empty_store, tmp_path / "mlflow.db"))


@pytest.fixture
def store(database: Path) -> Store:
    """An open store in the test's own folder."""
    return open_store(f"sqlite:///{database}")


@pytest.fixture
def experiment(store: Store) -> str:
    """The id of an experiment."""
    return store.experiment_id("cnnexp")


@pytest.fixture
def problems() -> list[str]:
    """What a run told of its problems: `problems.append` is the callback."""
    return []
