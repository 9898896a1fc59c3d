"""`cnnexp.sweep`: every cell of a grid with the same seeds, compared.

The machinery is a search's (`cnnexp.tuning.session`), but all trials are queued at the start, none is ended
before the others, and nothing is refitted: the test part is never touched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from cnnexp.errors import UserError
from cnnexp.settings import Given, GridSettings
from cnnexp.tuning.cells import has_failed, queue_of
from cnnexp.tuning.compare import Cell, best_first, effect_of, sentence_of
from cnnexp.tuning.declared import MODEL, build_grid
from cnnexp.tuning.finish import command_of
from cnnexp.tuning.ledger import FINISHED, record_of
from cnnexp.tuning.listener import GuardedStudy, StudyListener
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.ranges import values_of
from cnnexp.tuning.result import SweepResult
from cnnexp.tuning.session import (
    MANY_CELLS,
    Ended,
    Prepared,
    base_of,
    conduct,
    first_assembly,
    given_values,
    named,
    plan_of,
    read_settings,
    ready_store,
)
from cnnexp.tuning.storage import hidden
from cnnexp.tuning.sweep_report import record_sweep

OBJECTIVE = "val/accuracy"  # of the best epoch, which --monitor chooses


def sweep(
    *,
    config: str | Path | None = None,
    resume: str | None = None,
    many: bool = False,
    listener: StudyListener | None = None,
    **settings: object,
) -> SweepResult:
    """Trains every combination of some settings' values with each seed, and compares them.

    The same call goes on with the same sweep, here or on another machine; with more seeds it adds them.

    Args:
        config: YAML file of settings; keyword arguments win over it.
        resume: name of a sweep that goes on with its own settings.
        many: allow more than 1,000 trainings.
        listener: hears of progress; by default nobody does.
        **settings: any setting by its name, as `cnnexp sweep --help` lists them: vary={"lr": "0.1,0.01"}.

    Returns:
        The cells, what the settings do, and where it is recorded.

    Raises:
        UserError: a setting, the grid, the data, the model, the storage or the store cannot work as asked.
    """
    resolved, given = read_settings(GridSettings, config, resume, settings)
    told = GuardedStudy(StudyListener() if listener is None else listener)
    prepared = _prepared(resolved, given, told, many=many)

    def finish(ended: Ended) -> SweepResult:
        result = result_of_sweep(ended)
        if ended.run is not None:
            record_sweep(ended, result)
            ended.run.finish(ended.outcome)
        return result

    return conduct(prepared, told, queued=queue_of(prepared.plan), finish=finish)


def _prepared(
    settings: GridSettings, given: Mapping[str, Given], listener: StudyListener, *, many: bool
) -> Prepared:
    """Finds all bad input before anything is made.

    Raises:
        UserError: something cannot work as asked.
    """
    store = ready_store(settings, listener)
    base = base_of(settings)
    space = build_grid(settings.sweep.vary, base)
    models = [one.range for one in space.dimensions if one.name == MODEL]
    if models:
        base = base.replace(model=(values_of(models[0]) or ())[0])
    seeds = settings.sweep.seeds
    cells = math.prod(len(values_of(one.range) or ()) for one in space.dimensions)
    if cells * seeds > MANY_CELLS and not many:
        raise UserError(
            f"the grid has {cells:,} cells, with {seeds} seed(s) {cells * seeds:,} trainings, more than "
            f"{MANY_CELLS:,}: leave out values, or say --yes."
        )
    plan = plan_of(
        settings,
        store,
        base=base,
        space=space,
        objectives=(OBJECTIVE,),
        wanted=cells * seeds,
        sampler="grid",
    )
    plan = replace(plan, is_sweep=True)
    for cell in space.cells():  # a value that no setting allows is found now, not in the middle of the night
        plan.settings_of(cell, seed=base.training.seed)
    assembly = first_assembly(plan, listener)
    return Prepared(named(plan, assembly, store), assembly, store, given_values(settings, given))


def result_of_sweep(ended: Ended) -> SweepResult:
    """Returns the sweep as its trials tell it."""
    plan = ended.plan
    trials = [
        one for one in ended.study.get_trials(deepcopy=False) if one.state in FINISHED or has_failed(one)
    ]
    as_given = cells_of(plan, trials)
    cells = tuple(best_first(as_given))
    names = tuple(one.name for one in plan.space.dimensions)
    effects = tuple(effect_of(name, as_given) for name in names)
    command = ""
    if cells and cells[0].accuracies:
        command = command_of(plan.settings_of(dict(cells[0].params), seed=plan.base.training.seed))
    return SweepResult(
        outcome=ended.outcome,
        name=plan.name,
        varied=names,
        cells=cells,
        effects=effects,
        sentences=tuple(sentence_of(one) for one in effects),
        command=command,
        run_id=plan.parent_run,
        experiment_id=plan.experiment_id,
        tracking_uri=plan.tracking_uri,
        tracking=plan.base.tracking,
        storage=hidden(plan.storage),
    )


def cells_of(plan: Plan, trials: list[FrozenTrial]) -> list[Cell]:
    """Returns a cell per combination, with what its trials have found."""
    combinations = list(plan.space.cells())
    by_place: dict[int, list[FrozenTrial]] = {}
    for one in trials:
        place = record_of(one).place
        if place >= 0:
            by_place.setdefault(place % len(combinations), []).append(one)
    return [_cell(params, by_place.get(number, [])) for number, params in enumerate(combinations)]


def _cell(params: dict[str, object], trials: list[FrozenTrial]) -> Cell:
    found = [(record_of(one), one) for one in trials if one.state == TrialState.COMPLETE]
    reasons = {record_of(one).reason for one in trials if one.state != TrialState.COMPLETE}
    facts = next((record.facts for record, _ in found if record.facts), {})
    return Cell(
        params=params,
        accuracies={record.repeat: one.values[0] for record, one in found},
        seconds={record.repeat: (record.facts or {}).get("seconds", math.nan) for record, _ in found},
        facts={name: value for name, value in facts.items() if name in ("parameters", "macs")},
        run_ids={record.repeat: record.run_id for record, _ in found},
        note="; ".join(sorted(reasons)),
    )
