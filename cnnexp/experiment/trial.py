"""A trial of a study: the same training as of a run, with a short record and without the test part."""

from __future__ import annotations

from dataclasses import dataclass

from cnnexp.data import load_dataset
from cnnexp.data.dataset import ImageDataset
from cnnexp.experiment.assemble import Assembly, build_loop
from cnnexp.experiment.chosen import chosen_text
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.names import CHOSEN_FILE, SETTINGS_FILE
from cnnexp.experiment.record import settings_text
from cnnexp.experiment.run import train_epochs
from cnnexp.progress import Progress
from cnnexp.settings import DataSettings
from cnnexp.tracking.run import Run
from cnnexp.training.events import EpochReport, Outcome
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.judges import Judge

_NOT_OF_THE_IMAGES = ("augment", "shuffle", "permute_pixels")  # settings that leave a loaded set as it is
_KEPT = 2  # loaded sets: a study over image sizes must not fill the memory


class LoadedSets:
    """Loads each data set once for all trials of a process."""

    def __init__(self) -> None:
        self._sets: dict[str, ImageDataset] = {}

    def load(self, settings: DataSettings, *, progress: Progress) -> ImageDataset:
        """Returns the data set, from memory where it was used lately."""
        key = settings.model_dump_json(exclude=set(_NOT_OF_THE_IMAGES))
        found = self._sets.pop(key, None) or load_dataset(settings, progress=progress)
        self._sets[key] = found  # the latest stands last
        while len(self._sets) > _KEPT:
            del self._sets[next(iter(self._sets))]
        return found


@dataclass(frozen=True, slots=True)
class Trained:
    """What a trial has found.

    Attributes:
        history: a report per epoch.
        outcome: how it ended.
    """

    history: tuple[EpochReport, ...]
    outcome: Outcome


def run_trial(
    run: Run,
    assembly: Assembly,
    *,
    interrupt: Interrupt,
    judges: tuple[Judge, ...],
    listener: Listener,
) -> Trained:
    """Trains, and keeps the weights of the best epoch; the run stays open, the test part untouched."""

    def unsaved(error: OSError) -> None:
        listener.note(f"weights of {run.name} cannot be written ({error}); the study goes on without them")

    run.log_text(settings_text(assembly.settings), SETTINGS_FILE)
    run.log_text(chosen_text(assembly.asked), CHOSEN_FILE)
    loop = build_loop(
        assembly,
        folder=run.unshared_folder,
        interrupt=interrupt,
        extra_judges=judges,
        on_batch=listener.batch,
        on_unsaved=unsaved,
        keeps_last=False,
    )
    history, outcome = train_epochs(loop, run, listener)
    loop.save_best(history)
    return Trained(tuple(history), outcome)
