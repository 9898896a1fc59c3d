from __future__ import annotations

import itertools
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from cnnexp.errors import UserError
from cnnexp.training import checkpoint
from cnnexp.training.checkpoint import BEST, LAST, load_last, load_weights
from cnnexp.training.events import EpochReport, Outcome, Status
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.loop import Loop
from tests.unit.training.toy import toy_loop, toy_network


def run(loop: Loop, start: checkpoint.Progress | None = None) -> tuple[list[EpochReport], Outcome]:
    reports, generator = [], loop.run(start)
    while True:
        try:
            reports.append(next(generator))
        except StopIteration as end:
            return reports, end.value


def weights(loop: Loop) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in loop.stepper.network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


VARIANTS: list[dict[str, Any]] = [
    {},
    {"optimizer": "sgd", "nesterov": True, "schedule": "cosine", "warmup_epochs": 1.0},
    {"optimizer": "rmsprop", "schedule": "one-cycle", "clip_norm": 0.5},
    {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "step", "step_epochs": 2},
]


@pytest.mark.parametrize("settings", VARIANTS)
@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, settings: dict[str, Any], stop: int
) -> None:
    whole = toy_loop(tmp_path / "whole", epochs=5, **settings)
    expected, _ = run(whole)

    first = toy_loop(tmp_path / "parts", epochs=5, **settings)
    list(itertools.islice(first.run(), stop))  # then the process is gone
    second = toy_loop(tmp_path / "parts", epochs=5, **settings)
    torch.rand(1000)  # another process has drawn something else
    stepper = second.stepper
    start = load_last(tmp_path / "parts" / LAST, stepper.network, stepper.optimizer, scaler=stepper.scaler)
    reports, outcome = run(second, start)

    assert outcome.status is Status.COMPLETED
    timeless = [replace(report, seconds=0, images_per_second=0) for report in [*start.history, *reports]]
    assert timeless == [replace(report, seconds=0, images_per_second=0) for report in expected]
    assert same(weights(second), weights(whole))


def test_the_same_seed_gives_the_same_run_twice(tmp_path: Path) -> None:
    one, other = toy_loop(tmp_path / "a"), toy_loop(tmp_path / "b")
    run(one)
    run(other)
    assert same(weights(one), weights(other))


def test_the_best_checkpoint_is_the_best_epoch(tmp_path: Path) -> None:
    loop = toy_loop(tmp_path, epochs=6, training={"monitor": "val/loss"}, lr=0.05)
    seen: dict[int, dict[str, torch.Tensor]] = {}
    history = []
    for report in loop.run():
        seen[report.epoch] = weights(loop)
        history.append(report)
    best = min(history, key=lambda report: report.val_loss)
    network = toy_network()
    header = load_weights(tmp_path / BEST, network)
    assert header["epoch"] == best.epoch
    assert same(network.state_dict(), seen[best.epoch])


def test_checkpoints_hold_no_pickle_and_leave_no_partial_file(tmp_path: Path) -> None:
    run(toy_loop(tmp_path))
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "best.safetensors",
        "last.safetensors",
    ]
    with safe_open(tmp_path / LAST, framework="pt") as file:
        assert len(json.loads(file.metadata()["cnnexp"])["history"]) == 3


def test_a_torn_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    run(toy_loop(tmp_path))
    whole = (tmp_path / LAST).read_bytes()
    (tmp_path / LAST).write_bytes(whole[: len(whole) // 2])
    stepper = toy_loop(tmp_path).stepper
    with pytest.raises(UserError, match=r"last\.safetensors cannot be read"):
        load_last(tmp_path / LAST, stepper.network, stepper.optimizer, scaler=stepper.scaler)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    run(toy_loop(tmp_path))
    with pytest.raises(UserError, match="belongs to another network"):
        load_weights(tmp_path / BEST, torch.nn.Linear(3, 3))


def test_training_goes_on_where_checkpoints_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    told: list[OSError] = []
    loop = replace(toy_loop(tmp_path), on_unsaved=told.append)
    reports, outcome = run(loop)
    assert outcome.status is Status.COMPLETED
    assert told
    assert not list((tmp_path / "checkpoints").iterdir())
    best = max(report.epoch for report in reports if report.is_best)
    loop.restore_best()
    assert reports[best - 1].is_best


def test_a_loss_that_is_not_finite_ends_the_run_with_epoch_and_way_out(tmp_path: Path) -> None:
    loop = toy_loop(tmp_path, epochs=9)

    def break_in_the_second_epoch(done: int, _total: int) -> None:
        calls.append(done)
        if len(calls) == 7:
            next(loop.stepper.network.parameters()).data.fill_(float("nan"))

    calls: list[int] = []
    reports, outcome = run(replace(loop, on_batch=break_in_the_second_epoch))
    assert (outcome.status, len(reports)) == (Status.FAILED, 2)
    assert not reports[1].is_best
    assert "training loss became nan in epoch 2" in outcome.reason
    assert "--lr" in outcome.reason


def test_patience_counts_only_epochs_without_a_better_one(tmp_path: Path) -> None:
    reports, outcome = run(
        toy_loop(tmp_path, epochs=50, training={"patience": 3, "monitor": "val/loss"}, lr=0.1)
    )
    best = max(report.epoch for report in reports if report.is_best)
    assert outcome.status is Status.STOPPED_EARLY
    assert reports[-1].epoch == best + 3


def test_the_time_limit_counts_the_epochs_of_all_sessions(tmp_path: Path) -> None:
    reports, outcome = run(toy_loop(tmp_path, epochs=1000, training={"max_time": 0.05}))
    assert outcome.status is Status.STOPPED_EARLY
    assert sum(report.seconds for report in reports) >= 0.05
    assert sum(report.seconds for report in reports[:-1]) < 0.05


def test_a_judge_of_the_caller_ends_the_run(tmp_path: Path) -> None:
    pruned = Outcome(Status.PRUNED, "too bad")
    reports, outcome = run(toy_loop(tmp_path, epochs=9, judges=(lambda h: pruned if len(h) == 2 else None,)))
    assert (len(reports), outcome) == (2, pruned)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_between_two_batches_with_a_checkpoint(
    tmp_path: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupt() as interrupt:
        calls = []

        def on_batch(done: int, total: int) -> None:
            calls.append((done, total))
            if len(calls) == 7:
                os.kill(os.getpid(), number)

        reports, outcome = run(replace(toy_loop(tmp_path, epochs=9, interrupt=interrupt), on_batch=on_batch))
    assert outcome.status is Status.INTERRUPTED
    assert (len(reports), len(calls)) == (1, 7)
    assert checkpoint.read_progress(tmp_path / LAST).epoch == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_ctrl_c_ends_at_once() -> None:
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.reason == "Ctrl-C"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_stopped_before_its_first_epoch_can_be_resumed(tmp_path: Path) -> None:
    loop = toy_loop(tmp_path)
    generator = loop.run()
    next(generator)
    assert (tmp_path / LAST).is_file()
    other = toy_loop(tmp_path / "none")
    other.run().close()
    assert not (tmp_path / "none" / LAST).exists()
