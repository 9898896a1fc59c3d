"""Keeps the two checkpoints of a run, in an order that neither a crash nor a full disk can spoil."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from cnnexp.errors import UserError
from cnnexp.training.checkpoint import (
    BEST,
    LAST,
    epoch_of_weights,
    load_weights,
    save_last,
    save_weights,
)
from cnnexp.training.events import EpochReport
from cnnexp.training.judges import best_of
from cnnexp.training.step import Stepper


class Keeper:
    """Writes `last` after every epoch, and `best` after the best so far; training goes on where it cannot.

    At every moment the best weights that `last` tells of are on the disk: `last` is written first and holds
    them itself, until `best` does; while the disk refuses `best`, `last` stays at that epoch.

    Args:
        folder: of the run.
        stepper: owns what is written.
        keeps_last: a trial of a study has no `last`, as it starts anew in place of going on, and writes its
            best weights once, at its end: a write that waits for the disk costs a short trial more than an
            epoch.
        on_unsaved: told that a file could not be written.
    """

    def __init__(
        self, folder: Path, stepper: Stepper, *, keeps_last: bool, on_unsaved: Callable[[OSError], None]
    ) -> None:
        self._best, self._last = folder / BEST, folder / LAST
        self._stepper, self._keeps_last, self._on_unsaved = stepper, keeps_last, on_unsaved
        self._unsaved: dict[str, Tensor] = {}  # the best weights while the disk refuses them

    def save(self, history: Sequence[EpochReport]) -> None:
        """Writes what the end of an epoch, or the start of the run, has changed."""
        if history and history[-1].is_best:
            self._unsaved = self._stepper.network.state_dict()
            if self._keeps_last and self._write_last(history):
                self.save_best(history)
            self._unsaved = {name: value.clone() for name, value in self._unsaved.items()}
            return
        if not self._keeps_last:
            return
        self.save_best(history)
        if not self._unsaved:
            self._write_last(history)

    def check_best(self, history: Sequence[EpochReport]) -> None:
        """Sees to it that a run that goes on has the best weights it tells of; the network is as in `last`.

        Raises:
            UserError: they are lost.
        """
        best, found = best_of(history), epoch_of_weights(self._best)
        if best is None or found == best.epoch:
            return
        if best.epoch != history[-1].epoch:
            raise UserError(
                f"the best weights of the run are lost: its best epoch is {best.epoch}, and {self._best} "
                f"{'cannot be read' if found is None else f'is of epoch {found}'}; start the run anew."
            )
        self.save(history)

    def restore_best(self, history: Sequence[EpochReport]) -> None:
        """Puts the weights of the best epoch into the network.

        Raises:
            UserError: the file is missing or torn, or of another epoch.
        """
        best = best_of(history)
        assert best is not None
        if self._unsaved:
            self._stepper.network.load_state_dict(self._unsaved)
            self.save_best(history)  # without `last`, if it must be: the run is over
        else:
            load_weights(self._best, self._stepper.network, epoch=best.epoch)

    def save_best(self, history: Sequence[EpochReport]) -> None:
        """Writes the best weights that are not on the disk yet."""
        best = best_of(history)
        if best is None or not self._unsaved:
            return
        try:
            save_weights(self._best, self._unsaved, best)
            self._unsaved = {}
        except OSError as error:
            self._on_unsaved(error)

    def _write_last(self, history: Sequence[EpochReport]) -> bool:
        """Returns False where the disk refuses it."""
        stepper = self._stepper
        try:
            save_last(self._last, stepper.network, stepper.optimizer, scaler=stepper.scaler, history=history)
        except OSError as error:
            self._on_unsaved(error)
            return False
        return True
