"""Shared fixtures: nothing of one test is seen by another, and nothing leaves this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MPLBACKEND", "agg")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder and a cache of its own, without the caller's settings."""
    for name in list(os.environ):
        if name.startswith("CNNEXP_") or (name.startswith("MLFLOW_") and name != "MLFLOW_DISABLE_TELEMETRY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CNNEXP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shared_data() -> Path:
    """Small real data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder of small real data is not beside this checkout")
    return SHARED
