"""A worker: trains trials of a study until there are enough, wherever it runs and whoever else works on it.

    as long as the study wants trials:
        bury the dead         trials whose worker is gone: failed, and tried once more
        wait                  where others are at work on the last ones
        one trial             proposed, admitted, trained, told

The count is exact because a trial is admitted by its number: it may run only if fewer than the wanted number
before it count or may still count. Dead workers are known by their process on this machine, and by their
silence (heartbeat) on others.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from cnnexp.experiment.listener import Listener
from cnnexp.tracking import ownership
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store, open_store
from cnnexp.training.checkpoint import BEST
from cnnexp.training.events import Status
from cnnexp.training.interrupt import Interrupt
from cnnexp.tuning.ledger import RECORD, Ledger, TrialRecord, by_value, params_of, record_of
from cnnexp.tuning.objective import (
    TRIAL_STATE,
    Candidate,
    FailedTrialError,
    Finding,
    Trainer,
    VoidTrialError,
)
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.sampler import suggested
from cnnexp.tuning.space import Params, candidate_key
from cnnexp.tuning.storage import MISSED_BEATS, open_storage, opened_first
from cnnexp.tuning.study import load_study

POLL_SECONDS = 0.5
OnTrial = Callable[[], None]


class Worker:
    """Works on a study.

    Args:
        plan: of the study.
        interrupt: asks for an end between two batches.
        machine: settings that this worker decides: threads, device.
        listener: hears of problems.
        on_trial: called after each trial.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        interrupt: Interrupt,
        machine: Mapping[str, object],
        listener: Listener | None = None,
        on_trial: OnTrial = lambda: None,
    ) -> None:
        self.plan, self.interrupt = plan, interrupt
        self.listener, self.on_trial = listener or Listener(), on_trial
        self.store: Store = open_store(plan.tracking_uri)
        self.storage = open_storage(
            plan.storage, heartbeat=plan.study.heartbeat, on_stale=lambda _, trial: self._bury(trial)
        )
        self.study: Study
        self.ledger: Ledger
        self.study, self.ledger = load_study(plan, self.storage)
        self.trainer = Trainer(
            plan, self.store, self.storage, interrupt=interrupt, machine=machine, listener=self.listener
        )
        self._silent_since: dict[int, float] = {}
        self._own_weights: dict[int, list[Path]] = {}

    def work(self) -> None:
        """Trains until the study has enough, fails too often, or is interrupted."""
        while not self.is_over():
            self.bury_dead()
            waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if self.ledger.num_used() >= self.plan.wanted and not waiting:
                time.sleep(POLL_SECONDS)
                continue
            with _passed_over_if_given_up():
                self.study.optimize(self._objective, n_trials=1, catch=(FailedTrialError, VoidTrialError))
            self._drop_weights()
            self.on_trial()

    def is_over(self) -> bool:
        """Tells whether there is nothing left to do for this worker."""
        return (
            self.interrupt.reason is not None
            or len(self.ledger.finished()) >= self.plan.wanted
            or self.ledger.failures_in_a_row() >= self.plan.study.max_failures
            or (self.plan.deadline is not None and time.time() >= self.plan.deadline)
        )

    def bury_dead(self) -> None:
        """Ends trials whose worker is gone: silent, or on this machine without a process."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.study)  # without this who only waits would wait for ever
        now, grace = time.monotonic(), MISSED_BEATS * self.plan.study.heartbeat
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            owner = _tags_of(record_of(trial))
            if not owner:  # killed between being asked for and its first word, or just about to speak
                since = self._silent_since.setdefault(trial.number, now)
                is_dead = now - since > grace
            else:
                is_dead = ownership.is_here(owner) and not ownership.is_alive(owner)
            if is_dead:
                # Of several workers that see it, exactly one can tell; the others are refused.
                with _passed_over_if_given_up():
                    self.study.tell(trial.number, state=TrialState.FAIL)
                    self._bury(trial)
        if self.ledger.unretried():
            with opened_first(self.plan.storage):  # of several workers one queues it
                for trial in self.ledger.unretried():
                    record = record_of(trial)
                    again = TrialRecord(place=record.place, repeat=record.repeat, retry_of=trial.number)
                    self.study.enqueue_trial(params_of(trial), user_attrs={RECORD: again.as_attribute()})

    def _bury(self, trial: FrozenTrial) -> None:
        """Closes the run of a dead worker's trial."""
        record = record_of(trial)
        if record.run_id:
            # It may have gathered its params and not sent them yet.
            logged = self.trainer.params_of(record, params_of(trial))
            tags = {"trial_state": TRIAL_STATE[Status.INTERRUPTED]}
            self.store.end_run(record.run_id, "its worker died", params=logged, tags=tags)

    def _objective(self, trial: Trial) -> float | list[float]:
        """Trains one trial; every way it can end is written down before Optuna hears of it."""
        if not self.ledger.is_admitted(trial.number, self.plan.wanted):
            self._end(trial, reason="one too many")
            raise VoidTrialError("one too many")
        queued = record_of(trial)
        record = replace(queued, place=self.ledger.place_of(trial), **_own_process())
        self._write(trial, record)
        params = suggested(trial, self.plan.space)
        candidate = Candidate(trial, record, params, on_run=lambda run: self._noted(trial, run))
        earlier = None if queued.place >= 0 else self._equal(trial.number, params)
        try:
            finding = self._reused(candidate, earlier) if earlier else self.trainer.train(candidate)
        except optuna.TrialPruned as pruned:
            self._end(trial, reason=str(pruned))
            raise
        except (VoidTrialError, KeyboardInterrupt) as error:
            self._end(trial, reason=str(error) or "interrupted")
            raise
        except Exception as error:  # a model of the user's that fails, say: the study goes on
            reason = str(error) if isinstance(error, FailedTrialError) else f"{type(error).__name__}: {error}"
            self._end(trial, reason=reason, failed=True)
            self.listener.note(f"trial {trial.number} failed: {reason}")
            raise FailedTrialError(reason) from error
        self._end(trial, reason=finding.outcome.reason, facts=finding.facts)
        return finding.values

    def _equal(self, number: int, params: Params) -> FrozenTrial | None:
        """Returns a finished trial of the same candidate: the sampler found nothing new."""
        key = candidate_key(params)
        equal = (
            one for one in self.ledger.finished() if one.number != number and candidate_key(one.params) == key
        )
        return next(equal, None)

    def _reused(self, candidate: Candidate, earlier: FrozenTrial) -> Finding:
        self._write(candidate.trial, replace(candidate.record, reused=earlier.number))
        return self.trainer.reuse(candidate, earlier)

    def _noted(self, trial: Trial, run: Run) -> None:
        self._own_weights.setdefault(trial.number, []).append(run.unshared_folder / BEST)
        self._write(trial, replace(record_of(trial), run_id=run.id))

    def _write(self, trial: Trial, record: TrialRecord) -> None:
        trial.set_user_attr(RECORD, record.as_attribute())

    def _end(self, trial: Trial, **changes: Any) -> None:  # noqa: ANN401 - fields of a record
        with contextlib.suppress(UpdateFinishedTrialError):  # given up meanwhile
            self._write(trial, replace(record_of(trial), **changes))

    def _drop_weights(self) -> None:
        """Deletes the weights of own trials that can no longer win; the first trial's are compared with."""
        best = by_value(self.ledger.trials(), maximize=self.plan.maximizes)
        kept = {0, *(one.number for one in best[:1])}
        for number in [number for number in self._own_weights if number not in kept]:
            for weights in self._own_weights.pop(number):
                weights.unlink(missing_ok=True)


@contextlib.contextmanager
def _passed_over_if_given_up() -> Iterator[None]:
    """Where a trial was declared dead meanwhile, the study has moved on: what it found is dropped."""
    try:
        yield
    except UpdateFinishedTrialError:
        pass
    except ValueError as error:  # Optuna has no class of its own for it
        if not str(error).startswith("Cannot tell a"):
            raise


def _own_process() -> dict[str, Any]:
    tags = ownership.own_tags()
    return {
        "host_key": tags[ownership.HOST_KEY],
        "pid": int(tags[ownership.PID]),
        "started": tags[ownership.PID_STARTED],
    }


def _tags_of(record: TrialRecord) -> dict[str, str]:
    """Returns the owner of a trial as the tags by which runs name theirs; empty where it has none yet."""
    if not record.pid:
        return {}
    return {
        ownership.HOST_KEY: record.host_key,
        ownership.PID: str(record.pid),
        ownership.PID_STARTED: record.started,
    }
