"""A sweep's trials: every cell of a grid with every seed, each exactly once."""

from __future__ import annotations

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cnnexp.tuning.ledger import FINISHED, RECORD, USED, Ledger, TrialRecord, record_of
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.space import Params
from cnnexp.tuning.storage import opened_first


class CellLedger(Ledger):
    """Counts places: each once, and those of the wanted seeds only.

    A failed trial counts too: a cell that cannot be trained is a finding, and no other takes its place.

    Args:
        wanted: places of the sweep.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self._wanted = wanted

    def finished(self) -> list[FrozenTrial]:
        """Returns the trials that count, one a place."""
        first = {self.place_of(one): one for one in reversed(self.trials()) if _is_over(one)}
        return [one for place, one in first.items() if place < self._wanted]

    def num_used(self) -> int:
        """Returns how many places are trained, run or wait."""
        return len(self.used())

    def used(self) -> set[int]:
        """Returns the places that are trained, run or wait."""
        places = (record_of(one).place for one in self.trials() if one.state in USED or has_failed(one))
        return {place for place in places if place < self._wanted}

    def is_admitted(self, number: int, wanted: int) -> bool:
        """Tells whether a trial may run: its place is wanted, and no earlier trial has it."""
        before = [one for one in self.trials() if one.number <= number]
        place = record_of(before[-1]).place
        taken = (one for one in before[:-1] if one.state in USED or has_failed(one))
        return 0 <= place < wanted and all(record_of(one).place != place for one in taken)


def _is_over(trial: FrozenTrial) -> bool:
    return trial.state in FINISHED or has_failed(trial)


def has_failed(trial: FrozenTrial) -> bool:
    """Tells whether a trial failed for a reason of its own."""
    return trial.state == TrialState.FAIL and record_of(trial).failed


def queue_of(plan: Plan) -> list[tuple[Params, int]]:
    """Returns every cell with the first seed, then every cell with the second, ...

    The position is the trial's place. More seeds only append to it, so the same sweep can be given more.
    """
    cells = list(plan.space.cells())
    return [(cell, repeat) for repeat in range(plan.wanted // len(cells)) for cell in cells]


def queue_missing(study: Study, ledger: CellLedger, plan: Plan) -> None:
    """Queues the places that no trial has or had: they were interrupted, or there are more seeds now."""
    if ledger.num_used() >= plan.wanted:
        return
    with opened_first(plan.storage):  # of several workers that miss a place one queues it
        there = ledger.used()
        for place, (params, repeat) in enumerate(queue_of(plan)):
            if place not in there:
                record = TrialRecord(place=place, repeat=repeat)
                study.enqueue_trial(params, user_attrs={RECORD: record.as_attribute()})
