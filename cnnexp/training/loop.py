"""The loop: a generator that yields one report per epoch.

    for each epoch:
        seed from (seed, epoch)
        train part      every batch once; the lr is a function of the step
        validation      loss and accuracy, no graph
        decide          best so far? does a judge end the run?
        save            the last checkpoint, and the best one
        yield           the report

It knows neither tracker nor progress bar nor tuning, and the test part is not in its scope.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from cnnexp.models.freezing import set_training
from cnnexp.settings.groups import TrainingSettings
from cnnexp.training.checkpoint import Progress
from cnnexp.training.events import EpochReport, Outcome, Status
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.judges import Judge, best_of, better
from cnnexp.training.keeping import Keeper
from cnnexp.training.schedule import learning_rate
from cnnexp.training.seeding import derive_seed, seed_everything
from cnnexp.training.step import Batch, Mean, Stepper, Sums

logger = logging.getLogger(__name__)
BatchListener = Callable[[int, int], None]


class EpochBatches(Protocol):
    """Batches of a part: uint8 images and labels, in an order that depends on the epoch alone."""

    num_images: int

    def __len__(self) -> int: ...

    def epoch(self, n: int) -> Iterator[Batch]:
        """Yields the batches of epoch n."""
        ...

    def close(self) -> None:
        """Ends what reads ahead."""
        ...


class InterruptedEpochError(Exception):
    """The run was asked to end in the middle of an epoch."""


@dataclass(frozen=True, slots=True)
class Loop:
    """All that a run needs to train; `run` is the loop.

    Attributes:
        stepper: network, loss and optimizer.
        train_batches: shuffled anew in each epoch.
        val_batches: in order.
        settings: epochs, monitor, seed.
        judges: asked in order after each epoch; the first that speaks ends the run.
        folder: where checkpoints go.
        interrupt: asks for an end between two batches.
        on_batch: told (batches done, batches in the epoch); only listens.
        on_unsaved: told that a checkpoint could not be written; training goes on.
        keeps_last: write what the next epoch needs; a trial starts anew in place of going on.
    """

    stepper: Stepper
    train_batches: EpochBatches
    val_batches: EpochBatches
    settings: TrainingSettings
    judges: tuple[Judge, ...]
    folder: Path
    interrupt: Interrupt
    on_batch: BatchListener
    on_unsaved: Callable[[OSError], None]
    keeps_last: bool = True
    _keeper: Keeper = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keeper = Keeper(self.folder, self.stepper, keeps_last=self.keeps_last, on_unsaved=self.on_unsaved)
        object.__setattr__(self, "_keeper", keeper)

    def run(self, start: Progress | None = None) -> Generator[EpochReport, None, Outcome]:
        """Trains on from the end of `start`; yields a report per epoch and returns how the run ended."""
        try:
            return (yield from self._epochs(start))
        finally:
            self.train_batches.close()
            self.val_batches.close()

    def _epochs(self, start: Progress | None) -> Generator[EpochReport, None, Outcome]:
        history = list(start.history) if start else []
        if start is None:
            self._keeper.save(history)
        else:
            self._keeper.check_best(history)
        outcome = self._judge(history) if history else None
        while outcome is None:
            epoch = len(history) + 1
            try:
                report = self._epoch(epoch, best_of(history))
            except (InterruptedEpochError, RuntimeError) as error:
                reason = self.interrupt.reason
                if reason is None:  # an error of the network, say
                    raise
                # A signal to the whole group ends worker processes too: the loader raises RuntimeError.
                logger.debug("epoch %d ended by %r", epoch, error)
                done = f"{epoch - 1} epochs are complete"
                return Outcome(Status.INTERRUPTED, f"{reason} in epoch {epoch}; {done}")
            history.append(report)
            self._keeper.save(history)
            yield report
            outcome = self._judge(history)
        return outcome

    def _judge(self, history: list[EpochReport]) -> Outcome | None:
        is_last = history[-1].epoch >= self.settings.epochs
        for judge in self.judges:
            outcome = judge(history)
            if outcome is not None and not (is_last and outcome.status is Status.STOPPED_EARLY):
                return outcome
        if is_last:
            return Outcome(Status.COMPLETED, f"all {self.settings.epochs} epochs are complete")
        return None

    def _epoch(self, epoch: int, best: EpochReport | None) -> EpochReport:
        begin = time.perf_counter()
        trained, lr = self._train_part(epoch)
        train_seconds = time.perf_counter() - begin
        validated = self.stepper.evaluate(self.val_batches.epoch(epoch))
        report = EpochReport(
            epoch=epoch,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            val_loss=validated.loss,
            val_accuracy=validated.accuracy,
            lr=lr,
            seconds=time.perf_counter() - begin,
            images_per_second=self.train_batches.num_images / train_seconds,
            is_best=False,
        )
        return replace(report, is_best=better(report, best, self.settings.monitor))

    def _train_part(self, epoch: int) -> tuple[Mean, float]:
        stepper, compute = self.stepper, self.stepper.compute
        seed_everything(self.settings.seed, epoch)
        generator = torch.Generator(compute.device)
        generator.manual_seed(derive_seed(self.settings.seed, epoch, 1))
        set_training(stepper.network)
        steps = len(self.train_batches)
        lr, sums = 0.0, Sums(compute.device)
        for index, (images, labels) in enumerate(self.train_batches.epoch(epoch)):
            if self.interrupt.reason:
                raise InterruptedEpochError(self.interrupt.reason)
            lr = learning_rate(
                (epoch - 1) * steps + index,
                stepper.settings,
                steps_per_epoch=steps,
                num_steps=self.settings.epochs * steps,
            )
            loss, logits = stepper.train_step(images, labels, lr, generator)
            sums.add(loss, logits, labels)
            self.on_batch(index + 1, steps)
        return sums.mean(), lr

    def save_best(self, history: Sequence[EpochReport]) -> None:
        """Writes the weights of the best epoch where that was put off."""
        self._keeper.save_best(history)

    def restore_best(self, history: Sequence[EpochReport]) -> None:
        """Puts the weights of the best epoch into the network."""
        self._keeper.restore_best(history)
