from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnexp.tracking.logged_model import save_model
from cnnexp.tracking.store import Store
from cnnexp.training.events import Outcome, Status

Usage = namedtuple("Usage", "total used free")
EXAMPLE = np.zeros((2, 1, 4, 4), dtype=np.uint8)


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9 - free, free))


def test_a_disk_without_room_is_refused_before_torch_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch, 3 * 2**20)
    with pytest.raises(OSError, match="No space left on device"):
        save_model(torch.nn.Flatten(), tmp_path / "model", example=EXAMPLE, class_names=("a", "b"))
    assert not (tmp_path / "model").exists()


class Wide(torch.nn.Module):
    """A network of 19 MiB."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = torch.nn.Linear(16, 2**18), torch.nn.Linear(2**18, 2)
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.hidden(images.float().flatten(1)))
        return logits


def test_a_model_without_room_for_it_and_its_copy_in_the_store_is_told_and_the_run_goes_on(
    store: Store, experiment: str, problems: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create_run(experiment, run_name="lenet", tags={}, on_problem=problems.append)
    leave(monkeypatch, 38 * 2**20)  # twice the 19 MiB of weights, and nothing for the graph
    assert (
        run.log_model(
            Wide(), name="model", example=EXAMPLE, class_names=("a", "b"), params={}, metrics={}, step=1
        )
        is None
    )
    (problem,) = problems
    assert "the model could not be saved" in problem
    assert "No space left on device" in problem
    assert not list(run.folder.glob("*model*"))
    run.finish(Outcome(Status.COMPLETED, "done"))
    assert store.client.get_run(run.id).info.status == "FINISHED"
