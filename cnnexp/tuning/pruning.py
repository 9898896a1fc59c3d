"""Pruning: asked once an epoch, as one more judge of the training loop."""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from typing import Any, cast

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from cnnexp.training.events import EpochReport, Outcome, Status
from cnnexp.training.judges import Judge, best_of
from cnnexp.tuning.ledger import is_void, record_of


def build_pruner(name: str, *, epochs: int) -> BasePruner:
    """Returns the pruner of that name; no trial ends before the first quarter of its epochs is over.

    Measured on 40 trials of 10 epochs: median saves a quarter to a third of the epochs and loses few good
    trials; successive halving saves half of them and loses more.
    """
    warmup = max(1, epochs // 4)
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=warmup)
    if name == "percentile":
        return optuna.pruners.PercentilePruner(25.0, n_startup_trials=5, n_warmup_steps=warmup)
    if name == "hyperband":
        return _Hyperband(min_resource=1, max_resource=epochs, reduction_factor=3)
    if name == "successive-halving":
        return _SuccessiveHalving(min_resource=1, reduction_factor=3)
    return optuna.pruners.NopPruner()


class _SuccessiveHalving(SuccessiveHalvingPruner):
    """Optuna's, but void trials do not compete: a study that was stopped goes on as if it had not been."""

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tells whether the trial is not among the best that came as far."""
        return super().prune(cast(Study, _WithoutVoid(study)), trial)


class _Hyperband(HyperbandPruner):
    """Optuna's, but brackets go by a trial's place, for void trials shift the numbers of later ones."""

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        if is_void(trial):
            return -1  # competes in no bracket
        placed = copy.copy(trial)
        placed.number = record_of(trial).place
        return super()._get_bracket_id(study, placed)


class _WithoutVoid:
    """A study as pruners read it, without its void trials."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a study has
        return getattr(self._study, name)

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Returns the trials that are not void."""
        return [one for one in self._study.get_trials(deepcopy, states) if not is_void(one)]


def value_of(report: EpochReport, objective: str) -> float:
    """Returns what an epoch says of an objective that is measured on the validation part."""
    return report.val_accuracy if objective == "val/accuracy" else report.val_loss


def pruning_judge(trial: Trial, objective: str, *, epochs: int) -> Judge:
    """Reports each epoch to the study and ends a trial that is not worth its time.

    What is reported is the best epoch so far, which is also what counts in the end. After the last of its
    epochs a trial is complete, whatever others have reached.
    """

    def judge(history: Sequence[EpochReport]) -> Outcome | None:
        best = best_of(history)
        if best is None:
            return None
        try:
            trial.report(value_of(best, objective), history[-1].epoch)
            is_hopeless = history[-1].epoch < epochs and trial.should_prune()
        except optuna.exceptions.UpdateFinishedTrialError:
            return Outcome(Status.INTERRUPTED, "the study has given up this trial: its worker was silent")
        if not is_hopeless:
            return None
        return Outcome(Status.PRUNED, f"pruned after epoch {history[-1].epoch}: others were better by then")

    return judge


def is_running(storage: RDBStorage, trial: Trial) -> bool:
    """Tells whether the study still waits for this trial."""
    return not storage.get_trial(trial._trial_id).state.is_finished()  # Optuna has no public id
