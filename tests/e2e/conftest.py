from __future__ import annotations

from collections.abc import Iterator

import pytest
from mlflow import MlflowClient

from tests import postgres_server, warm


@pytest.fixture(autouse=True)
def _no_command_stays() -> Iterator[None]:
    yield
    warm.end_all()


@pytest.fixture
def client(ready_store: str) -> MlflowClient:
    """The default store of the test's folder."""
    return MlflowClient(ready_store)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server; its tests share an xdist group, so that one is started."""
    pytest.importorskip("psycopg2", reason="the driver is not installed: pip install 'cnnexp[postgresql]'")
    with postgres_server.serving() as url:
        yield url
