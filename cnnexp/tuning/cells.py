"""A sweep's trials: every cell of a grid with every seed, each exactly once."""

from __future__ import annotations

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cnnexp.tuning.ledger import FINISHED, RECORD, USED, Ledger, TrialRecord, record_of
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.space import Params
from cnnexp.tuning.storage import opened_first


class CellLedger(Ledger):
    """Counts a failed trial too: a cell that cannot be trained is a finding, and no other takes its place."""

    def finished(self) -> list[FrozenTrial]:
        """Returns the trials that count."""
        return [one for one in self.trials() if one.state in FINISHED or has_failed(one)]

    def num_used(self) -> int:
        """Returns how many trials count, run or wait."""
        return sum(one.state in USED or has_failed(one) for one in self.trials())

    def is_admitted(self, number: int, wanted: int) -> bool:
        """Tells whether a trial may run: fewer than `wanted` before it count or may still count."""
        before = (one for one in self.trials() if one.number < number)
        return sum(one.state in USED or has_failed(one) for one in before) < wanted


def has_failed(trial: FrozenTrial) -> bool:
    """Tells whether a trial failed for a reason of its own."""
    return trial.state == TrialState.FAIL and record_of(trial).failed


def queue_of(plan: Plan) -> list[tuple[Params, int]]:
    """Returns every cell with the first seed, then every cell with the second, ...

    The position is the trial's place. More seeds only append to it, so the same sweep can be given more.
    """
    cells = list(plan.space.cells())
    return [(cell, repeat) for repeat in range(plan.wanted // len(cells)) for cell in cells]


def queue_missing(study: Study, ledger: Ledger, plan: Plan) -> None:
    """Queues the places that no trial has or had: they were interrupted, or there are more seeds now."""
    if ledger.num_used() >= plan.wanted:
        return
    with opened_first(plan.storage):  # of several workers that miss a place one queues it
        there = {record_of(one).place for one in ledger.trials() if one.state in USED or has_failed(one)}
        for place, (params, repeat) in enumerate(queue_of(plan)):
            if place not in there:
                record = TrialRecord(place=place, repeat=repeat)
                study.enqueue_trial(params, user_attrs={RECORD: record.as_attribute()})
