"""Shared fixtures: nothing of one test is seen by another, and nothing leaves this machine."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from cnnexp.process import collect_rarely

if TYPE_CHECKING:
    from cnnexp.registry import Registry

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MPLBACKEND", "agg")
# Two test processes with two threads each on two cores wait for each other's threads: ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

collect_rarely()  # with all libraries loaded a look at every object takes most of a second

SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write the golden files anew")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts whole commands and browsers first: at the end no process waits for the long test of another."""
    items.sort(key=lambda item: not {"e2e", "browser"} & set(item.path.parts))


def pytest_collection_finish() -> None:
    """Takes what was imported, which stays, out of the garbage collector's sight."""
    gc.freeze()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with a file of tests/golden; `pytest --update` writes it."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name} changed; if it should: pytest -n 0 --update"

    return compare


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder and a cache of its own, without the caller's settings."""
    for name in list(os.environ):
        if name.startswith("CNNEXP_") or (name.startswith("MLFLOW_") and name != "MLFLOW_DISABLE_TELEMETRY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CNNEXP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def _built_in() -> list[tuple[Registry[Any], set[str]]]:
    """The registries and what the package registers itself."""
    from cnnexp.data.registry import DATASETS
    from cnnexp.models import MODELS

    registries: list[Registry[Any]] = [MODELS, DATASETS]
    return [(registry, set(registry.names())) for registry in registries]


@pytest.fixture(autouse=True)
def _registered(_built_in: list[tuple[Registry[Any], set[str]]]) -> Iterator[None]:
    """A test may register models and data sets; the next one shall not find them."""
    yield
    for registry, names in _built_in:
        for name in set(registry.names()) - names:
            registry.remove(name)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """A run chooses the threads of its process; the next test shall not compute with them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture(autouse=True)
def _default_store() -> Iterator[None]:
    """A test may name MLflow's store; the next one shall meet the default."""
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


@pytest.fixture
def shared_data() -> Path:
    """Small real data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder of small real data is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def _empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that MLflow has made, without runs, one for all test processes.

    Copying it takes 0.07 s, making one some seconds.
    """
    from cnnexp.tracking.store import open_store

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "store"
    folder.mkdir(exist_ok=True)
    file = folder / "mlflow.db"
    with FileLock(folder / "lock"):
        if not file.exists():
            open_store(f"sqlite:///{file}")
            with sqlite3.connect(file) as connection:
                connection.execute("pragma wal_checkpoint(truncate)")
    return file


@pytest.fixture
def ready_store(_empty_store: Path, tmp_path: Path) -> str:
    """The default store of the test's folder, made already; its URI."""
    shutil.copy(_empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"
