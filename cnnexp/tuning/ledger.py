"""What the trials of a study say: who may run, what counts, which place a trial has.

A trial that ended for no reason of its own (killed, interrupted, one too many) is *void*: it counts for
nothing, and its place goes to the next. So a study that goes on after a stop is the one that was not stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

RECORD = "cnnexp"  # the one user attribute of a trial
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
USED = (*FINISHED, TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """What a trial knows beside its parameters; one attribute, so one write.

    Attributes:
        place: in the study, from 0; seeds derive from it.
        host_key, pid, started: the process at work, as `cnnexp.tracking.ownership` names it.
        run_id: of its MLflow run.
        reason: why it ended.
        failed: it ended for a reason of its own; every other trial with Optuna's state FAIL is void.
        retry_of: number of the trial it stands in for.
        reused: number of the trial whose result it took over.
        repeat: which of the seeds of a cell this is, in a sweep.
        facts: parameters, MACs, seconds and the like.
    """

    place: int = -1
    host_key: str = ""
    pid: int = 0
    started: str = ""
    run_id: str = ""
    reason: str = ""
    failed: bool = False
    retry_of: int | None = None
    reused: int | None = None
    repeat: int = 0
    facts: dict[str, float] | None = None

    def as_attribute(self) -> dict[str, Any]:
        """Returns the attribute's value: what differs from the defaults."""
        defaults = TrialRecord()
        return {name: value for name, value in asdict(self).items() if value != getattr(defaults, name)}


def record_of(trial: FrozenTrial | Trial) -> TrialRecord:
    """Returns a trial's record; an empty one where it has none yet."""
    known = {field.name for field in fields(TrialRecord)}
    return TrialRecord(
        **{name: value for name, value in trial.user_attrs.get(RECORD, {}).items() if name in known}
    )


def is_void(trial: FrozenTrial) -> bool:
    """Tells whether a trial counts for nothing."""
    return trial.state == TrialState.FAIL and not record_of(trial).failed


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """Returns a trial's candidate, as far as it is known: a queued one is known before the trial begins."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


class Ledger:
    """Reads a study's trials; bound to the real study, for pruners hand samplers a filtered one."""

    def __init__(self) -> None:
        self._study: Study | None = None

    def bind(self, study: Study) -> None:
        """Gives the study, which could not be opened without its sampler."""
        self._study = study

    @property
    def study(self) -> Study:
        """Returns the study."""
        assert self._study is not None
        return self._study

    def trials(self) -> list[FrozenTrial]:
        """Returns all trials, by number; not to be changed."""
        return self.study.get_trials(deepcopy=False)

    def finished(self) -> list[FrozenTrial]:
        """Returns the trials that count."""
        return [one for one in self.trials() if one.state in FINISHED]

    def unretried(self) -> list[FrozenTrial]:
        """Returns the trials whose worker died, for which no other stands in yet.

        Each is tried once more, so it takes a place until then: else who waits for work would take that.
        """
        return _unretried(self.trials())

    def num_used(self) -> int:
        """Returns how many trials have finished, run or wait."""
        return len(_counting(self.trials()))

    def is_admitted(self, number: int, wanted: int) -> bool:
        """Tells whether a trial may run: fewer than `wanted` before it count or may still count."""
        return sum(one.number < number for one in _counting(self.trials())) < wanted

    def place_of(self, trial: FrozenTrial | Trial) -> int:
        """Returns a trial's place: its own if it has one, else the trials before it that are not void."""
        own = record_of(trial).place
        if own >= 0:
            return own
        return sum(one.number < trial.number and not is_void(one) for one in self.trials())

    def failures_in_a_row(self) -> int:
        """Returns how many trials have failed for reasons of their own since the last that did not."""
        count = 0
        for one in reversed(self.trials()):
            if one.state == TrialState.FAIL and record_of(one).failed:
                count += 1
            elif one.state in FINISHED and not infeasible(one):
                break
        return count

    def last_failure(self) -> str:
        """Returns why the last trial failed that failed for a reason of its own."""
        reasons = [record_of(one).reason for one in self.trials() if record_of(one).failed]
        return reasons[-1] if reasons else ""


def _unretried(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    retried = {record_of(one).retry_of for one in trials}
    return [one for one in trials if is_void(one) and _may_retry(one) and one.number not in retried]


def _counting(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Returns the trials that count or may still count; one look at the storage costs 1 or 2 ms."""
    return [one for one in trials if one.state in USED] + _unretried(trials)


def _may_retry(trial: FrozenTrial) -> bool:
    """Tells of a void trial whether it ended without a word, and is no second attempt itself."""
    record = record_of(trial)
    return not record.reason and record.retry_of is None and bool(params_of(trial))


def infeasible(trial: FrozenTrial) -> bool:
    """Tells whether a trial was never trained: too large, or its images too small."""
    return trial.state == TrialState.PRUNED and not trial.intermediate_values


def by_value(trials: Sequence[FrozenTrial], *, maximize: bool) -> list[FrozenTrial]:
    """Returns complete trials, the best first; of equal ones the earlier."""
    complete = [one for one in trials if one.state == TrialState.COMPLETE]
    return sorted(complete, key=lambda one: (-one.values[0] if maximize else one.values[0], one.number))


def dumps(data: object) -> str:
    """Returns data as JSON in one fixed spelling, so that equal data are equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))
