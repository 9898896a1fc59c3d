from __future__ import annotations

import pytest
from mlflow import MlflowClient


@pytest.fixture
def client(ready_store: str) -> MlflowClient:
    """The default store of the test's folder."""
    return MlflowClient(ready_store)
