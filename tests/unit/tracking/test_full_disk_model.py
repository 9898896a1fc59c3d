from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnexp.tracking.logged_model import save_model

Usage = namedtuple("Usage", "total used free")


def test_a_disk_without_room_is_refused_before_torch_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9, 3 * 2**20))
    example = np.zeros((2, 1, 4, 4), dtype=np.uint8)
    with pytest.raises(OSError, match="No space left on device"):
        save_model(torch.nn.Flatten(), tmp_path / "model", example=example, class_names=("a", "b"))
    assert not (tmp_path / "model").exists()
