from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from cnnexp.training.events import EpochReport, Status
from cnnexp.tuning.ledger import RECORD, TrialRecord
from cnnexp.tuning.pruning import pruning_judge
from tests.unit.tuning.plans import in_memory

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
EPOCHS = 9
GOOD = [0.5 + 0.05 * epoch for epoch in range(EPOCHS)]
BAD = [0.1] * EPOCHS


def report(epoch: int, accuracy: float, *, is_best: bool) -> EpochReport:
    return EpochReport(epoch, 1.0, 0.5, 1 - accuracy, accuracy, 0.1, 1.0, 100.0, is_best)


def train(study: optuna.Study, place: int, accuracies: list[float], *, void_after: int = 0) -> int:
    """Trains as a worker does; returns the epochs that it took."""
    trial = study.ask()
    trial.set_user_attr(RECORD, TrialRecord(place=place).as_attribute())
    judge = pruning_judge(trial, "val/accuracy", epochs=len(accuracies))
    history: list[EpochReport] = []
    for epoch, accuracy in enumerate(accuracies, start=1):
        is_best = accuracy > max((one.val_accuracy for one in history), default=0.0)
        history.append(report(epoch, accuracy, is_best=is_best))
        outcome = judge(history)
        if epoch == void_after:
            study.tell(trial, state=TrialState.FAIL)
            return epoch
        if outcome is not None:
            assert outcome.status is Status.PRUNED
            assert outcome.reason == f"pruned after epoch {epoch}: others were better by then"
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    study.tell(trial, max(accuracies))
    return len(accuracies)


@pytest.mark.parametrize("kind", ["median", "percentile", "hyperband", "successive-halving"])
def test_a_hopeless_trial_is_pruned_and_the_best_is_not(kind: str) -> None:
    study, _ = in_memory(pruner=kind)
    for place in range(8):
        train(study, place, [value + 0.001 * place for value in GOOD])
    assert min(train(study, place, BAD) for place in (8, 9, 10)) < EPOCHS
    assert train(study, 11, [value + 0.1 for value in GOOD]) == EPOCHS


def test_nothing_is_pruned_without_a_pruner() -> None:
    study, _ = in_memory(pruner="none")
    for place in range(8):
        train(study, place, GOOD)
    assert train(study, 8, BAD) == EPOCHS


def test_the_median_needs_five_trials_and_judges_nobody_within_the_first_quarter() -> None:
    study, _ = in_memory(pruner="median")
    for place in range(4):
        train(study, place, GOOD)
    assert train(study, 4, BAD) == EPOCHS  # too few to compare with
    train(study, 5, GOOD)
    assert train(study, 6, BAD) == max(1, EPOCHS // 4)


def test_the_best_epoch_so_far_is_reported_not_the_last() -> None:
    study, _ = in_memory()
    train(study, 0, [0.3, 0.6, 0.2, 0.7, 0.1])
    assert study.trials[0].intermediate_values == {1: 0.3, 2: 0.6, 3: 0.6, 4: 0.7, 5: 0.7}


def test_the_loss_is_reported_where_it_is_what_counts() -> None:
    study = optuna.create_study()
    trial = study.ask()
    assert pruning_judge(trial, "val/loss", epochs=2)([report(1, 0.9, is_best=True)]) is None
    assert study.trials[0].intermediate_values == {1: pytest.approx(0.1)}


def test_a_trial_that_was_declared_dead_meanwhile_ends_as_interrupted() -> None:
    study = optuna.create_study()
    trial = study.ask()
    study.tell(trial.number, state=TrialState.FAIL)
    outcome = pruning_judge(trial, "val/accuracy", epochs=2)([report(1, 0.9, is_best=True)])
    assert outcome is not None
    assert outcome.status is Status.INTERRUPTED
    assert "given up this trial" in outcome.reason


@pytest.mark.parametrize("kind", ["median", "percentile", "hyperband", "successive-halving"])
def test_void_trials_change_nothing_for_the_others(kind: str) -> None:
    def accuracies(place: int) -> list[float]:
        return [0.1 * (place * 7 % 10) + 0.01 * epoch for epoch in range(EPOCHS)]

    undisturbed, _ = in_memory(pruner=kind)
    expected = [train(undisturbed, place, accuracies(place)) for place in range(20)]
    disturbed, _ = in_memory(pruner=kind)
    found = []
    for place in range(20):
        if place in (3, 4, 11):
            train(disturbed, place, [2.0] * EPOCHS, void_after=5)  # better than all
        found.append(train(disturbed, place, accuracies(place)))
    assert found == expected
    assert min(expected) < EPOCHS
