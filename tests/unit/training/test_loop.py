from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cnnexp.training.checkpoint import BEST, LAST, epoch_of_weights, read_progress
from cnnexp.training.events import Outcome, Status
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.judges import best_of
from tests.unit.training.toy import run_to_end, same, toy_loop, weights


def test_the_same_seed_gives_the_same_run_twice(tmp_path: Path) -> None:
    one, other = toy_loop(tmp_path / "a"), toy_loop(tmp_path / "b")
    run_to_end(one)
    run_to_end(other)
    assert same(weights(one), weights(other))


def test_augmentation_draws_anew_in_every_epoch_and_alike_for_the_same_seed(tmp_path: Path) -> None:
    def draws(name: str, seed: int) -> list[float]:
        drawn: list[float] = []

        def note(images: Tensor, generator: torch.Generator) -> Tensor:
            drawn.append(torch.rand(1, generator=generator).item())
            return images

        run_to_end(toy_loop(tmp_path / name, augment=note, training={"seed": seed}))
        return drawn

    first = draws("a", 0)
    assert len(first) == len(set(first)) == 15
    assert draws("b", 0) == first
    assert not set(draws("c", 1)) & set(first)


def test_a_loss_that_is_not_finite_ends_the_run_with_epoch_and_way_out(tmp_path: Path) -> None:
    loop = toy_loop(tmp_path, epochs=9)

    def break_in_the_second_epoch(done: int, _total: int) -> None:
        calls.append(done)
        if len(calls) == 7:
            next(loop.stepper.network.parameters()).data.fill_(float("nan"))

    calls: list[int] = []
    reports, outcome = run_to_end(replace(loop, on_batch=break_in_the_second_epoch))
    assert (outcome.status, len(reports)) == (Status.FAILED, 2)
    assert not reports[1].is_best
    assert "training loss became nan in epoch 2" in outcome.reason
    assert "--lr" in outcome.reason


def test_patience_counts_only_epochs_without_a_better_one(tmp_path: Path) -> None:
    reports, outcome = run_to_end(
        toy_loop(tmp_path, epochs=50, training={"patience": 3, "monitor": "val/loss"}, lr=0.1)
    )
    best = max(report.epoch for report in reports if report.is_best)
    assert outcome.status is Status.STOPPED_EARLY
    assert reports[-1].epoch == best + 3


def test_the_time_limit_counts_the_epochs_of_all_sessions(tmp_path: Path) -> None:
    reports, outcome = run_to_end(toy_loop(tmp_path, epochs=1000, training={"max_time": 0.05}))
    assert outcome.status is Status.STOPPED_EARLY
    assert sum(report.seconds for report in reports) >= 0.05
    assert sum(report.seconds for report in reports[:-1]) < 0.05


def test_a_judge_of_the_caller_ends_the_run(tmp_path: Path) -> None:
    pruned = Outcome(Status.PRUNED, "too bad")
    reports, outcome = run_to_end(
        toy_loop(tmp_path, epochs=9, judges=(lambda h: pruned if len(h) == 2 else None,))
    )
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

        reports, outcome = run_to_end(
            replace(toy_loop(tmp_path, epochs=9, interrupt=interrupt), on_batch=on_batch)
        )
    assert outcome.status is Status.INTERRUPTED
    assert (len(reports), len(calls)) == (1, 7)
    assert read_progress(tmp_path / LAST).epoch == 1
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


def test_a_trial_writes_its_best_weights_once_at_its_end(tmp_path: Path) -> None:
    loop = replace(toy_loop(tmp_path, epochs=3), keeps_last=False)
    reports, _ = run_to_end(loop)
    assert not (tmp_path / BEST).exists()
    loop.save_best(reports)
    best = best_of(reports)
    assert best is not None
    assert epoch_of_weights(tmp_path / BEST) == best.epoch
    assert not (tmp_path / LAST).exists()
