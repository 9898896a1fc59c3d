from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cnnexp
from cnnexp.experiment import Result
from cnnexp.results.recorded import Recorded, find_recorded
from cnnexp.tracking.store import open_store
from tests.conftest import SHARED

SETTINGS: dict[str, Any] = {
    **{"dataset": f"folder:{SHARED / 'vehicles'}", "image_size": (32, 32), "fit": "crop", "cache": False},
    **{"model": "convnet", "model_args": {"widths": [16, 32], "pool": True}, "epochs": 2},
    **{"figures": "none", "run_name": "vehicles", "threads": 1},
}


@dataclass(frozen=True)
class Vehicles:
    """A run that was trained on the vehicle photos: its folder (with the store), URI, and what it found."""

    folder: Path
    photos: list[Path]
    result: Result

    @property
    def store(self) -> str:
        return self.result.tracking_uri

    @property
    def recorded(self) -> Recorded:
        return find_recorded(open_store(self.store), self.result.run_id)


@pytest.fixture(scope="session")
def vehicles(_empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Vehicles:
    if not SHARED.is_dir():
        pytest.skip("the folder of small real data is not beside this checkout")
    folder = tmp_path_factory.mktemp("vehicles")
    shutil.copy(_empty_store, folder / "mlflow.db")
    photos = sorted((SHARED / "vehicles").rglob("*.jpg"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = cnnexp.train(**SETTINGS, tracking_uri=f"sqlite:///{folder}/mlflow.db")
    return Vehicles(folder, photos, result)
