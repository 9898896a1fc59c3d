"""What training tells the rest: one report an epoch, and one outcome at the end.

This module imports nothing heavy: trackers, progress bars and tests read it without torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum

TOTAL_SECONDS = "total_seconds"  # metric: training_seconds so far


class Status(Enum):
    """How a run ended; the one source of MLflow's status, Optuna's state and the exit code."""

    COMPLETED = "completed"
    STOPPED_EARLY = "stopped early"
    PRUNED = "pruned"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, and why, as a sentence."""

    status: Status
    reason: str

    @property
    def exit_code(self) -> int:
        """0 for a run that has a result, 130 for an interrupted one, 1 for a failed one."""
        return {Status.INTERRUPTED: 130, Status.FAILED: 1}.get(self.status, 0)


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch, measured.

    Attributes:
        epoch: counted from 1.
        train_loss: mean over the images of the epoch, while the weights moved.
        train_accuracy: likewise, in [0, 1].
        val_loss: mean over the validation part, after the epoch.
        val_accuracy: likewise.
        lr: learning rate of the epoch's last step.
        seconds: of the whole epoch, validation included.
        images_per_second: training images per second of the training half.
        is_best: the best epoch so far, by the monitored value.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float
    images_per_second: float
    is_best: bool

    def metrics(self) -> dict[str, float]:
        """The report under the names it has in MLflow."""
        return {
            "train/loss": self.train_loss,
            "train/accuracy": self.train_accuracy,
            "val/loss": self.val_loss,
            "val/accuracy": self.val_accuracy,
            "lr": self.lr,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
        }

    def as_dict(self) -> dict[str, float | int | bool]:
        """The report as plain data, for checkpoints and tables."""
        return asdict(self)


def training_seconds(history: Iterable[EpochReport]) -> float:
    """Returns the seconds of all epochs: of a run that went on, those of every attempt, and no time between.

    It is the one duration of a run there is; loading, the test, drawing and what an interrupted epoch had
    done are not in it.
    """
    return sum(report.seconds for report in history)
