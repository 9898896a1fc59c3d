"""The end of a study: what it found, in the parent run; the best candidate refitted and tested once."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cnnexp.experiment.assemble import assemble, build_stepper
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.record import evaluate_test
from cnnexp.experiment.result import TestResult
from cnnexp.experiment.run import Experiment
from cnnexp.settings import Settings, declarations
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store
from cnnexp.training.checkpoint import BEST, load_weights
from cnnexp.training.events import Outcome, Status
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.optimizers import unused_settings
from cnnexp.tuning.ledger import FINISHED, by_value, record_of
from cnnexp.tuning.listener import StudyListener
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.report import record_study
from cnnexp.tuning.result import Improvement, StudyResult, TrialRow
from cnnexp.tuning.storage import hidden

Z95 = 1.96  # two-sided 95 % of a normal distribution


def finish_study(
    plan: Plan,
    study: Study,
    run: Run,
    store: Store,
    *,
    outcome: Outcome,
    refit: bool,
    interrupt: Interrupt,
    listener: StudyListener,
) -> StudyResult:
    """Records what was found, refits and tests the best candidate, and closes the study's run."""
    result = result_of(plan, study, outcome, run_id=run.id)
    if outcome.status in (Status.COMPLETED, Status.STOPPED_EARLY) and refit and result.best is not None:
        listener.refit_started(result.best.number)
        result = _refitted(result, plan, run, store, interrupt=interrupt, listener=listener)
    record_study(run, plan, study, result)
    run.finish(result.outcome)
    return result


def result_of(plan: Plan, study: Study, outcome: Outcome, *, run_id: str) -> StudyResult:
    """Returns the study as its trials tell it, without a refit."""
    trials = [
        one for one in study.get_trials(deepcopy=False) if one.state in FINISHED or record_of(one).failed
    ]
    front = _front(study, plan)
    best = row_of(front[0]) if front else None
    return StudyResult(
        outcome=outcome,
        name=plan.name,
        objectives=plan.objectives,
        trials=tuple(row_of(one) for one in trials),
        best=best,
        front=tuple(one.number for one in front),
        command=command_of(best_settings(plan, best)) if best else "",
        refit=None,
        improvement=None,
        run_id=run_id,
        experiment_id=plan.experiment_id,
        tracking_uri=plan.tracking_uri,
        tracking=plan.base.tracking,
        storage=hidden(plan.storage),
    )


def row_of(trial: FrozenTrial) -> TrialRow:
    """Returns a trial as tables show it."""
    record = record_of(trial)
    return TrialRow(
        number=trial.number,
        state=trial.state.name,
        values=tuple(trial.values or ()) if trial.state == TrialState.COMPLETE else (),
        params=dict(trial.params),
        facts=record.facts or {},
        epochs=max(trial.intermediate_values, default=0),
        reason=record.reason,
        run_id=record.run_id,
    )


def best_settings(plan: Plan, best: TrialRow) -> Settings:
    """Returns the best candidate's settings, with the seed and the machine of the study itself."""
    return plan.settings_of(dict(best.params), seed=plan.base.training.seed)


def command_of(settings: Settings) -> str:
    """Returns the `cnnexp train` line that gives these settings: what differs from the defaults."""
    words, unused = ["cnnexp", "train"], unused_settings(settings.optimization)
    for name, one in declarations().items():
        value = settings.flat()[name]
        if name in unused:
            continue  # a search may vary the momentum of sgd beside adam; `train` refuses it
        if name == "model_args":
            for argument, given in value.items():
                text = str(given).replace(" ", "") if not isinstance(given, bool) else str(given).lower()
                words += ["--set", f"{argument}={text}"]
        elif name == "plugin":
            words += [word for plugin in value for word in ("--plugin", plugin)]
        elif name == "tags":
            words += [word for key, tag in value.items() for word in ("--tag", f"{key}={tag}")]
        elif value != one.default and value is not None:
            text = str(value).lower() if isinstance(value, bool) else f"{value}"
            words += ["--" + name.replace("_", "-"), text]
    return " ".join(shlex.quote(word) for word in words)


def difference_interval(first: TestResult, second: TestResult) -> tuple[float, float, float]:
    """Returns the difference of two accuracies on the same images, and its 95 % interval.

    From the images on which exactly one of the two is right, b for the first and c for the second:
    d = (b − c) / n with variance (b + c − (b − c)² / n) / n².

    Source: A. Agresti, Categorical Data Analysis, on matched pairs.
    """
    right, other = first.predicted == first.labels, second.predicted == second.labels
    n, b, c = len(first.labels), int((right & ~other).sum()), int((other & ~right).sum())
    difference = (b - c) / n
    margin = Z95 * math.sqrt(max(0.0, b + c - (b - c) ** 2 / n)) / n
    return difference, difference - margin, difference + margin


def _refitted(
    result: StudyResult,
    plan: Plan,
    run: Run,
    store: Store,
    *,
    interrupt: Interrupt,
    listener: StudyListener,
) -> StudyResult:
    """Trains the best candidate again in the study's run, tests it, and compares it with the defaults."""
    assert result.best is not None
    chosen = assemble(best_settings(plan, result.best), Listener())
    refit = Experiment(store, run, chosen, listener, interrupt, ()).train_and_test()
    if refit.outcome.status is Status.INTERRUPTED:
        reason = f"{refit.outcome.reason} of the refit; all trials are finished"
        return replace(result, refit=refit, outcome=Outcome(Status.INTERRUPTED, reason))
    improvement = None
    if refit.test is not None and result.best.number != 0:
        improvement = _improvement(plan, store, result, refit.test)
    return replace(result, refit=refit, improvement=improvement)


def _improvement(plan: Plan, store: Store, result: StudyResult, best: TestResult) -> Improvement | None:
    """Compares with trial 0, the defaults, where that ended by itself and its weights lie here."""
    default = next((row for row in result.trials if row.number == 0 and row.values), None)
    if default is None or plan.sampler == "grid":
        return None
    weights = store.unshared_folder(default.run_id) / BEST
    if not weights.is_file():  # trained on another machine
        return None
    assembly = assemble(plan.settings_of(dict(default.params), seed=plan.base.training.seed), Listener())
    load_weights(weights, assembly.network, epoch=int(default.facts["best_epoch"]))
    other = evaluate_test(assembly, build_stepper(assembly))
    difference, low, high = difference_interval(best, other)
    return Improvement(best.accuracy, other.accuracy, difference, low, high, len(best.labels))


def _front(study: Study, plan: Plan) -> list[FrozenTrial]:
    """Returns the best trial, or for several objectives those that no other beats in all of them."""
    trials = study.get_trials(deepcopy=False)
    if len(plan.objectives) == 1:
        return by_value(trials, maximize=plan.maximizes)[:1]
    return by_value(study.best_trials, maximize=plan.maximizes)
