"""The study's figures: what Optuna knows of its trials, in the style of our own pictures.

Optuna's matplotlib functions are not used: they change pyplot's state and style for the whole process, and
some of theirs cannot be read (a legend entry per trial, a panel per parameter).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import optuna
from matplotlib.figure import Figure
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cnnexp.figures import space as space_figures
from cnnexp.figures import study as figures
from cnnexp.figures.trials import COMPLETE, FAILED, PRUNED, ObjectiveAxis, ParamAxis, TrialPoint
from cnnexp.settings import Choice, FloatRange
from cnnexp.tuning.compare import text_of
from cnnexp.tuning.ledger import FINISHED, record_of
from cnnexp.tuning.plan import MAXIMIZED, Plan
from cnnexp.tuning.ranges import values_of
from cnnexp.tuning.space import Dimension

EVALUATOR = "PED-ANOVA"
_FEWEST = 5  # complete trials from which importances say anything at all
_SLICED = 3  # parameters that are shown one by one
_MOST_CHOICES = 8  # values that an axis can name; more are drawn as numbers
_AXES = {
    "val/accuracy": ("Validation accuracy (%)", False, "{:.1f} %"),
    "val/loss": ("Validation loss (cross-entropy, nats)", False, "{:.4f}"),
    "parameters": ("Parameters", True, "{:,.0f}"),
    "macs": ("Multiply-accumulates per image", True, "{:,.0f}"),
    "latency_ms": ("Latency of one image (ms)", True, "{:.3g} ms"),
    "seconds": ("Training time (s)", True, "{:.1f} s"),
}


def study_figures(study: Study, plan: Plan) -> dict[str, Figure]:
    """Returns the figures of a study by file name; those that have nothing to show are absent."""
    trials = [
        one
        for one in study.get_trials(deepcopy=False)
        if one.state in FINISHED or (one.state == TrialState.FAIL and record_of(one).failed)
    ]
    if not trials:
        return {}
    points = _points(trials, plan)
    complete = [one for one in points if one.state == COMPLETE]
    drawn = {"timeline": figures.timeline(points, title=_timeline_title(points))}
    curved = [one for one in points if one.curve]
    if curved:
        drawn["intermediate_values"] = _curves(curved, points, plan)
    if complete:
        drawn["history"] = _history(points, complete, plan)
    if len(complete) > 1:
        shares = importances_of(study, len(complete))
        if shares:
            drawn["importances"] = figures.importances(
                shares, evaluator=EVALUATOR, title=_shares_title(shares, plan, len(complete))
            )
        drawn |= _over_space(complete, plan, [name for name, _ in shares])
        if len(plan.objectives) > 1:
            drawn["pareto_front"] = _front(study, complete, plan)
    return drawn


def importances_of(study: Study, num_complete: int) -> list[tuple[str, float]]:
    """Returns each parameter's share in what tells good trials from others, the largest first; or nothing.

    PED-ANOVA, for it takes conditional parameters too and costs milliseconds.

    Source: S. Watanabe, A. Bansal, F. Hutter, PED-ANOVA, IJCAI 2023, arXiv:2304.10255.
    """
    if num_complete < _FEWEST:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's: experimental, or too few trials for one parameter
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(logging.ERROR)
        try:
            found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        except (RuntimeError, ValueError):  # nothing varies among the complete trials
            return []
        finally:
            optuna.logging.set_verbosity(before)
    shares = [(name, float(share)) for name, share in found.items()]
    return shares if sum(share for _, share in shares) > 0 else []


def _points(trials: Sequence[FrozenTrial], plan: Plan) -> list[TrialPoint]:
    begin = min(one.datetime_start or datetime.max for one in trials)
    return [
        TrialPoint(
            number=one.number,
            state=_state(one),
            values=_shown(one.values, plan) if one.state == TrialState.COMPLETE else (),
            params=plan.space.active(one.params),
            curve={
                epoch: _shown([value], plan)[0] for epoch, value in sorted(one.intermediate_values.items())
            },
            begin=((one.datetime_start or begin) - begin).total_seconds(),
            end=((one.datetime_complete or begin) - begin).total_seconds(),
        )
        for one in trials
    ]


def _state(trial: FrozenTrial) -> str:
    return {TrialState.COMPLETE: COMPLETE, TrialState.PRUNED: PRUNED}.get(trial.state, FAILED)


def _shown(values: Sequence[float], plan: Plan) -> list[float]:
    """Returns values as pictures show them: accuracy in percent."""
    return [
        100 * value if name == "val/accuracy" else value
        for name, value in zip(plan.objectives, values, strict=False)
    ]


def _objective(name: str) -> ObjectiveAxis:
    label, is_log, text = _AXES[name]
    return ObjectiveAxis(label, name in MAXIMIZED, is_log, text)


def _history(points: Sequence[TrialPoint], complete: Sequence[TrialPoint], plan: Plan) -> Figure:
    objective = _objective(plan.objectives[0])
    best = objective.best([one.values[0] for one in complete])
    number = next(one.number for one in complete if one.values[0] == best)
    title = f"{plan.name}: best {_name(objective)} {objective.text.format(best)}, of trial {number}"
    return figures.history(points, objective, title=title)


def _curves(curved: Sequence[TrialPoint], points: Sequence[TrialPoint], plan: Plan) -> Figure:
    objective = _objective(plan.objectives[0])
    complete = [one for one in points if one.state == COMPLETE]
    best = objective.best([one.values[0] for one in complete]) if complete else None
    number = next((one.number for one in complete if one.values[0] == best), None)
    ended = sum(one.state == PRUNED for one in curved)
    used, all_epochs = sum(max(one.curve) for one in curved), plan.base.training.epochs * len(curved)
    title = (
        f"{ended} of {len(curved)} trained trials ended early: {100 * (1 - used / all_epochs):.0f} % fewer"
    )
    return figures.intermediate_values(curved, objective, best=number, title=f"{title} epochs")


def _over_space(complete: Sequence[TrialPoint], plan: Plan, ranked: Sequence[str]) -> dict[str, Figure]:
    """Returns parallel coordinates of all parameters, and slices of those that matter most."""
    objective, name = _objective(plan.objectives[0]), _name(_objective(plan.objectives[0]))
    axes = [_axis(one, complete) for one in plan.space.dimensions]
    best = objective.best([one.values[0] for one in complete])
    winner = next(one for one in complete if one.values[0] == best)
    parallel = space_figures.parallel_coordinates(
        complete,
        axes,
        objective,
        texts=_texts(complete, axes),
        title=f"{len(complete)} complete trials; the best, trial {winner.number}, has {name} "
        f"{objective.text.format(best)}",
    )
    chosen = list(ranked or [one.name for one in axes])[:_SLICED]
    few = [one for name in chosen for one in axes if one.name == name]
    sliced = space_figures.slices(
        complete,
        few,
        objective,
        texts=_texts(complete, few),
        title=f"{name[0].upper()}{name[1:]} over {_listed(chosen)}"
        + (f", which matter most ({EVALUATOR})" if ranked and len(axes) > len(chosen) else ""),
    )
    return {"parallel_coordinates": parallel, "slices": sliced}


def _texts(points: Sequence[TrialPoint], axes: Sequence[ParamAxis]) -> list[list[str | None]]:
    return [
        [text_of(point.params[one.name]) if one.name in point.params else None for one in axes]
        for point in points
    ]


def _axis(one: Dimension, points: Sequence[TrialPoint]) -> ParamAxis:
    """Returns how a dimension is shown: by its choices where an axis can name them all."""
    if isinstance(one.range, FloatRange):
        return ParamAxis(one.name, low=one.range.low, high=one.range.high, is_log=one.range.log)
    values: Sequence[Any] = values_of(one.range) or ()
    if len(values) > _MOST_CHOICES and not isinstance(one.range, Choice):
        return ParamAxis(one.name, low=values[0], high=values[-1], is_log=one.range.log2)
    tried = [point.params[one.name] for point in points if one.name in point.params]
    unknown = [value for value in dict.fromkeys(tried) if value not in values]
    return ParamAxis(one.name, tuple(text_of(value) for value in (*values, *unknown)))


def _front(study: Study, complete: Sequence[TrialPoint], plan: Plan) -> Figure:
    front = [one.number for one in study.best_trials]
    title = f"Pareto front over {_listed(plan.objectives)}: {len(front)} of {len(complete)} trials"
    return figures.pareto_front(complete, [_objective(name) for name in plan.objectives], front, title=title)


def _shares_title(shares: Sequence[tuple[str, float]], plan: Plan, num_complete: int) -> str:
    total = sum(share for _, share in shares)
    first = ", then ".join(f"{name} ({100 * share / total:.0f} %)" for name, share in shares[:2])
    what = "on the Pareto front" if len(plan.objectives) > 1 else "good trials"
    hint = "; so few trials only hint" if num_complete < 4 * _FEWEST else ""
    return f"What sets {what} apart: {first}, by {num_complete} complete trials{hint}"


def _timeline_title(points: Sequence[TrialPoint]) -> str:
    end = max(one.end for one in points)
    moments = [one.begin for one in points]
    at_once = max(sum(one.begin <= moment < one.end for one in points) for moment in moments)
    took = f"{end:.0f} s" if end < figures.MINUTES else f"{end / 60:.0f} min"
    return f"{len(points)} trials in {took}, up to {max(1, at_once)} at once"


def _name(objective: ObjectiveAxis) -> str:
    """Returns an axis's label as words within a sentence, without its unit."""
    words = objective.label.partition(" (")[0]
    return words[0].lower() + words[1:]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
