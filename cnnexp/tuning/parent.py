"""The study's own run in MLflow: opened once, written while the study runs, closed with its result."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cnnexp.experiment.run import PROJECT_RUN
from cnnexp.tracking import views
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store
from cnnexp.tracking.views import view_tag
from cnnexp.tuning.ledger import Ledger, by_value, record_of
from cnnexp.tuning.listener import StudyListener, TrialFacts
from cnnexp.tuning.objective import METRIC
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.storage import hidden
from cnnexp.tuning.study import PARENT_RUN

WRITE_SECONDS = 2.0  # between two looks at the study: each reads its new trials from the storage


def open_parent(store: Store, plan: Plan, study: Study, *, note: Callable[[str], None]) -> Run | None:
    """Opens the study's run: a new one, the one that `mlflow run` made, or the one of an earlier session.

    Returns:
        The run; None where another process, here or elsewhere, is at it: this one only helps.
    """
    tags = {"kind": "study", "study": plan.name, "storage": hidden(plan.storage)}
    known: str | None = study.user_attrs.get(PARENT_RUN)
    if PROJECT_RUN in os.environ:
        run = store.adopt_run(os.environ[PROJECT_RUN], run_name=plan.name, tags=tags, on_problem=note)
    elif known is not None and store.has_run(known):
        if store.is_at_work(known):
            return None
        return store.reopen_run(known, on_problem=note)
    else:
        run = store.create_run(plan.experiment_id, run_name=plan.name, tags=tags, on_problem=note)
    study.set_user_attr(PARENT_RUN, run.id)
    return run


class Progress:
    """Looks at the study now and then: tells a listener of ended trials, and the parent run how it stands.

    Args:
        plan: of the study.
        ledger: of the study.
        run: of the study; None where another process writes it.
        listener: hears of trials.
    """

    def __init__(self, plan: Plan, ledger: Ledger, run: Run | None, listener: StudyListener) -> None:
        self.plan, self.ledger, self.run, self.listener = plan, ledger, run, listener
        self._told = {one.number for one in ledger.trials() if one.state.is_finished()}
        self._looked = 0.0
        self._written: tuple[int, float] | None = None

    def look(self, *, at_once: bool = False) -> None:
        """Tells what is new, at most every two seconds."""
        now = time.monotonic()
        if not at_once and now - self._looked < WRITE_SECONDS:
            return
        self._looked = now
        trials = self.ledger.trials()
        ended = [one for one in trials if one.state.is_finished() and one.number not in self._told]
        for one in sorted(
            ended, key=lambda trial: (trial.datetime_complete is None, trial.datetime_complete)
        ):
            self._told.add(one.number)
            self._tell(one)
        self._write(trials)

    def _tell(self, trial: FrozenTrial) -> None:
        record = record_of(trial)
        if trial.state == TrialState.FAIL and not record.failed:  # void: the next trial takes its place
            return
        finished = sum(one.number in self._told for one in self.ledger.finished())
        duration = trial.duration.total_seconds() if trial.duration else 0.0
        facts = TrialFacts(
            number=trial.number,
            state=trial.state.name,
            values=tuple(trial.values or ()) if trial.state == TrialState.COMPLETE else (),
            params=dict(trial.params)
            | ({"seed": self.plan.base.training.seed + record.repeat} if self.plan.is_sweep else {}),
            reason=record.reason,
            seconds=duration,
            finished=finished,
            best=self.best(),
        )
        self.listener.trial_ended(facts)

    def best(self) -> tuple[float, int] | None:
        """Returns the best value so far and whose it is; None before the first and for several objectives."""
        best = by_value(self.ledger.trials(), maximize=self.plan.maximizes)
        if not best or len(self.plan.objectives) > 1:
            return None
        return best[0].values[0], best[0].number

    def _write(self, trials: list[FrozenTrial]) -> None:
        finished = len([one for one in trials if one.state in (TrialState.COMPLETE, TrialState.PRUNED)])
        best = self.best()
        stands = (finished, best[0] if best else 0.0)
        if self.run is None or finished == 0 or stands == self._written:
            return
        self._written = stands
        states = [one.state for one in trials]
        metrics = {
            "study/finished": float(finished),
            "study/pruned": float(states.count(TrialState.PRUNED)),
            "study/failed": float(sum(record_of(one).failed for one in trials)),
        }
        if best is not None:
            metrics["study/best_value"] = best[0]
        self.run.log_metrics(metrics, step=finished)


def study_view(plan: Plan) -> tuple[str, str]:
    """Returns the saved view of a study's trials, best first, the searched params as columns.

    What every trial has stands before the places of a list, which are many and often absent (0).
    """
    measured = [f"metrics.{METRIC.get(one, one)}" for one in plan.objectives]
    params = sorted(plan.space.dimensions, key=lambda one: one.place > 0)
    columns = [*measured, "tags.trial_state", *(f"params.{one.name}" for one in params)]
    columns += ["metrics.parameters", "attributes.Duration"]
    quote = '"' if "'" in plan.name else "'"
    return view_tag(
        views.study_view(plan.name),
        f"trials of {plan.name}",
        columns=list(dict.fromkeys(columns)),
        order_by=measured[0],
        search_filter=f"tags.study = {quote}{plan.name}{quote} and tags.kind = 'trial'",
        ascending=not plan.maximizes,
    )
