from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cnnexp.data.augment import augmentation
from cnnexp.errors import UserError
from cnnexp.training import checkpoint
from cnnexp.training import loop as loop_module
from cnnexp.training.checkpoint import (
    BEST,
    LAST,
    Progress,
    epoch_of_weights,
    load_last,
    load_weights,
    read_progress,
    save_last,
)
from cnnexp.training.compute import Compute
from cnnexp.training.events import Status
from cnnexp.training.loop import Loop
from cnnexp.training.step import Loss
from tests.unit.training.toy import ToyBatches, run_to_end, same, toy_loop, toy_network, toy_stepper, weights

HALF = Compute(torch.device("cpu"), "fp16", torch.channels_last)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"optimizer": "sgd", "nesterov": True, "schedule": "cosine", "warmup_epochs": 1.0},
    "one-cycle": {"optimizer": "rmsprop", "schedule": "one-cycle", "clip_norm": 0.5},
    "decay": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "step", "step_epochs": 2},
    "flip": {"augment": augmentation("flip")},
    "crop": {"augment": augmentation("crop-flip"), "optimizer": "sgd"},
    "photo": {"augment": augmentation("photo"), "schedule": "one-cycle"},
    "class weights": {"loss": Loss(torch.tensor([0.3, 3.0]), 0.1)},
    "patience": {"training": {"patience": 4, "monitor": "val/loss"}, "lr": 0.1},
    "fp16": {"compute": HALF},
}


def go_on(folder: Path, **settings: Any) -> tuple[Loop, Progress]:
    """What a new process makes of the folder."""
    loop = toy_loop(folder, **settings)
    torch.rand(1000)  # another process has drawn something else
    stepper = loop.stepper
    return loop, load_last(folder / LAST, stepper.network, stepper.optimizer, scaler=stepper.scaler)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, variant: str, stop: int
) -> None:
    settings = {"epochs": 40 if variant == "patience" else 5, **VARIANTS[variant]}
    whole = toy_loop(tmp_path / "whole", **settings)
    expected, end = run_to_end(whole)
    assert end.status is (Status.STOPPED_EARLY if variant == "patience" else Status.COMPLETED)
    assert len(expected) > 3

    list(itertools.islice(toy_loop(tmp_path / "parts", **settings).run(), stop))  # then the process is gone
    second, start = go_on(tmp_path / "parts", **settings)
    reports, outcome = run_to_end(second, start)

    assert outcome == end
    timeless = [replace(report, seconds=0, images_per_second=0) for report in [*start.history, *reports]]
    assert timeless == [replace(report, seconds=0, images_per_second=0) for report in expected]
    assert same(weights(second), weights(whole))


def test_the_scale_of_fp16_losses_goes_on_where_it_was(tmp_path: Path) -> None:
    one, other = toy_stepper(HALF), toy_stepper(HALF)
    batch = next(ToyBatches().epoch(1))
    for _ in range(3):
        one.train_step(*batch, lr=0.01, generator=torch.Generator())
    one.scaler.update(1024.0)
    one.train_step(*batch, lr=0.01, generator=torch.Generator())
    path = tmp_path / "last.safetensors"
    save_last(path, one.network, one.optimizer, scaler=one.scaler, history=[])
    load_last(path, other.network, other.optimizer, scaler=other.scaler)
    assert other.scaler.state_dict() == one.scaler.state_dict()
    assert (other.scaler.get_scale(), other.scaler.state_dict()["_growth_tracker"]) == (1024.0, 4)
    for stepper in (one, other):
        torch.manual_seed(0)  # of the dropout
        stepper.train_step(*batch, lr=0.01, generator=torch.Generator())
    assert same(one.network.state_dict(), other.network.state_dict())


def test_the_best_checkpoint_is_the_best_epoch(tmp_path: Path) -> None:
    loop = toy_loop(tmp_path, epochs=6, training={"monitor": "val/loss"}, lr=0.05)
    seen: dict[int, dict[str, torch.Tensor]] = {}
    history = []
    for report in loop.run():
        seen[report.epoch] = weights(loop)
        history.append(report)
    best = min(history, key=lambda report: report.val_loss)
    network = toy_network()
    load_weights(tmp_path / BEST, network, epoch=best.epoch)
    assert same(network.state_dict(), seen[best.epoch])


def test_checkpoints_hold_no_pickle_and_leave_no_partial_file(tmp_path: Path) -> None:  # W16
    run_to_end(toy_loop(tmp_path))
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "best.safetensors",
        "last.safetensors",
    ]
    with safe_open(tmp_path / LAST, framework="pt") as file:
        assert len(json.loads(file.metadata()["cnnexp"])["history"]) == 3


def test_a_torn_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    run_to_end(toy_loop(tmp_path))
    whole = (tmp_path / LAST).read_bytes()
    (tmp_path / LAST).write_bytes(whole[: len(whole) // 2])
    stepper = toy_loop(tmp_path).stepper
    with pytest.raises(UserError, match=r"last\.safetensors cannot be read"):
        load_last(tmp_path / LAST, stepper.network, stepper.optimizer, scaler=stepper.scaler)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    run_to_end(toy_loop(tmp_path))
    with pytest.raises(UserError, match="belongs to another network"):
        load_weights(tmp_path / BEST, torch.nn.Linear(3, 3), epoch=epoch_of_weights(tmp_path / BEST) or 0)


class Disk:
    """Refuses what it is told to: "best" or "last"."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuses: set[str] = set()

        def save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
            if any(name in path.name for name in self.refuses):
                path.write_bytes(b"half a file")
                raise OSError(28, "No space left on device")
            save_file(tensors, path, metadata=metadata)

        monkeypatch.setattr(checkpoint, "save_file", save)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


IMPROVES: dict[str, Any] = {"epochs": 6, "training": {"monitor": "val/loss"}, "lr": 0.003}


def test_training_goes_on_where_checkpoints_cannot_be_written(tmp_path: Path, disk: Disk) -> None:
    disk.refuses = {"best", "last"}
    told: list[OSError] = []
    loop = replace(toy_loop(tmp_path, **IMPROVES), on_unsaved=told.append)
    reports, outcome = run_to_end(loop)
    assert outcome.status is Status.COMPLETED
    assert told
    assert not list((tmp_path / "checkpoints").iterdir())
    best = max(report.epoch for report in reports if report.is_best)
    sound = toy_loop(tmp_path / "sound", **IMPROVES)
    list(itertools.islice(sound.run(), best))
    loop.restore_best(reports)
    assert same(weights(loop), weights(sound))


@pytest.mark.parametrize("refused", ["best", "last"])
def test_a_process_that_dies_on_a_full_disk_loses_no_best_weights(
    tmp_path: Path, disk: Disk, refused: str
) -> None:
    whole = toy_loop(tmp_path / "whole", **IMPROVES)
    expected, _ = run_to_end(whole)
    assert [report.is_best for report in expected[:4]] == [True] * 4
    whole.restore_best(expected)

    loop = toy_loop(tmp_path / "parts", **IMPROVES).run()
    next(loop)
    disk.refuses = {refused}
    next(loop)
    next(loop)  # and the process dies
    disk.refuses.clear()
    second, start = go_on(tmp_path / "parts", **IMPROVES)
    assert start.epoch == (3 if refused == "best" else 1)
    reports, _ = run_to_end(second, start)
    second.restore_best([*start.history, *reports])
    assert same(weights(second), weights(whole))


def test_best_is_not_written_before_a_last_that_tells_of_it(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "better", lambda report, *_: report.epoch in {1, 3})
    epochs = toy_loop(tmp_path).run()
    next(epochs)
    next(epochs)
    disk.refuses = {"last"}
    assert next(epochs).is_best
    disk.refuses.clear()  # and the process dies: `last` is of epoch 2, and its best of epoch 1
    second, start = go_on(tmp_path)
    history = [*start.history, *run_to_end(second, start)[0]]
    assert [report.epoch for report in history if report.is_best] == [1, 3]


def not_better(loop: Loop) -> None:
    """From here on every epoch is worse."""
    loop.stepper.settings.__dict__["lr"] = 100.0


def test_best_weights_that_were_refused_are_written_as_soon_as_there_is_room(
    tmp_path: Path, disk: Disk
) -> None:
    loop = toy_loop(tmp_path, **IMPROVES)
    epochs = loop.run()
    next(epochs)
    disk.refuses = {"best"}
    assert next(epochs).is_best
    not_better(loop)
    assert not next(epochs).is_best
    assert (epoch_of_weights(tmp_path / BEST), read_progress(tmp_path / LAST).epoch) == (1, 2)
    disk.refuses.clear()
    next(epochs)
    assert (epoch_of_weights(tmp_path / BEST), read_progress(tmp_path / LAST).epoch) == (2, 4)


def stale(folder: Path) -> None:
    (folder / BEST).write_bytes((folder / "stale").read_bytes())


def missing(folder: Path) -> None:
    (folder / BEST).unlink()


@pytest.mark.parametrize(("spoil", "what"), [(stale, "is of epoch 1"), (missing, "cannot be read")])
def test_weights_of_another_epoch_never_pass_for_the_best(
    tmp_path: Path, spoil: Callable[[Path], None], what: str
) -> None:
    loop = toy_loop(tmp_path, **IMPROVES)
    epochs = loop.run()
    history = [next(epochs)]
    (tmp_path / "stale").write_bytes((tmp_path / BEST).read_bytes())
    history.append(next(epochs))
    not_better(loop)
    history.append(next(epochs))
    assert [report.is_best for report in history] == [True, True, False]
    spoil(tmp_path)
    with pytest.raises(UserError, match=f"best epoch is 2, and .*best.safetensors {what}"):
        next(go_on(tmp_path, **IMPROVES)[0].run(Progress(tuple(history))))
    if spoil is stale:
        with pytest.raises(UserError, match="is of epoch 1, not of epoch 2"):
            loop.restore_best(history)


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def noted(name: str) -> Callable[..., None]:
        call = getattr(os, name)

        def note(*arguments: object) -> None:
            done.append(name)
            call(*arguments)

        return note

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name))
    next(toy_loop(tmp_path).run())
    assert done == ["fsync", "replace"] * 3  # last at the start, last and best after the epoch
