"""`cnnexp.tune`: from settings to a study, its workers, and what it found.

settings -> space -> data and default network (all bad input is found here) -> study and its run
-> workers train trials until there are enough -> figures and tables -> best candidate refitted, tested once
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cnnexp.errors import Fault, SettingsError, UserError
from cnnexp.settings import Given, TuneSettings
from cnnexp.settings.tuning import MEASURED
from cnnexp.tuning.declared import build_space
from cnnexp.tuning.finish import finish_study, result_of
from cnnexp.tuning.listener import GuardedStudy, StudyListener
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.result import StudyResult
from cnnexp.tuning.sampler import sampler_factory
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
from cnnexp.tuning.study import first_candidates


def tune(
    *,
    config: str | Path | None = None,
    resume: str | None = None,
    many: bool = False,
    listener: StudyListener | None = None,
    **settings: object,
) -> StudyResult:
    """Searches settings and model arguments; every trial is a nested run of the study's run in MLflow.

    The same call with the same settings goes on with the same study, here or on another machine.

    Args:
        config: YAML file of settings; keyword arguments win over it.
        resume: name of a study that goes on with its own settings.
        many: allow a grid of more than 1,000 cells.
        listener: hears of progress; by default nobody does.
        **settings: any setting by its name, as `cnnexp tune --help` lists them: trials=40, space={"lr": ...}.

    Returns:
        What the study has found, and where it is recorded.

    Raises:
        UserError: a setting, the space, the data, the model, the storage or the store cannot work as asked.
    """
    resolved, given = read_settings(TuneSettings, config, resume, settings)
    _check_together(resolved, given)
    told = GuardedStudy(StudyListener() if listener is None else listener)
    prepared = _prepared(resolved, given, told, many=many)

    def finish(ended: Ended) -> StudyResult:
        if ended.run is None:
            return result_of(ended.plan, ended.study, ended.outcome, run_id=ended.plan.parent_run)
        return finish_study(
            ended.plan,
            ended.study,
            ended.run,
            ended.store,
            outcome=ended.outcome,
            refit=resolved.search.refit,
            interrupt=ended.interrupt,
            listener=told,
        )

    return conduct(prepared, told, queued=first_candidates(prepared.plan), finish=finish)


def _check_together(settings: TuneSettings, given: Mapping[str, Given]) -> None:
    """Checks what concerns two settings at once.

    Raises:
        SettingsError: they contradict each other.
    """
    search, faults = settings.search, []
    objectives = search.objective
    if len(set(objectives)) < len(objectives):
        faults.append(Fault("objective", objectives, "names one objective twice.", "--objective"))
    if (
        (len(objectives) > 1 or set(objectives) - set(MEASURED))
        and "pruner" in given
        and search.pruner != "none"
    ):
        faults.append(
            Fault(
                "pruner",
                search.pruner,
                "cannot be used with these objectives: it needs one that improves epoch by epoch; "
                "leave it out, or give --pruner none.",
                given["pruner"].origin,
            )
        )
    if faults:
        raise SettingsError(faults)


def _prepared(
    settings: TuneSettings, given: Mapping[str, Given], listener: StudyListener, *, many: bool
) -> Prepared:
    """Finds all bad input before anything is made.

    Raises:
        UserError: something cannot work as asked.
    """
    store = ready_store(settings, listener)
    search = settings.search
    base = base_of(settings)
    measured = [one for one in search.objective if one in MEASURED]
    if measured and "monitor" not in given:  # the epoch that counts is the best in what is optimised
        base = base.replace(monitor=measured[0])
    arguments = given["model_args"].value if "model_args" in given else {}
    fixed = frozenset({*given, *(arguments if isinstance(arguments, dict) else {})})
    space = build_space(search.space, base, fixed)
    plan = plan_of(
        settings,
        store,
        base=base,
        space=space,
        objectives=search.objective or (base.training.monitor,),
        wanted=search.trials,
        sampler=search.sampler,
    )
    plan = replace(
        plan,
        pruner=search.pruner,
        repeats=search.repeats,
        max_parameters=search.max_parameters,
        max_macs=search.max_macs,
    )
    sampler_factory(plan.sampler, num_objectives=len(plan.objectives))  # refuses one that cannot work here
    assembly = first_assembly(plan, listener)
    if plan.sampler == "grid":
        plan = replace(plan, wanted=_num_cells(plan, given, many=many))
    return Prepared(named(plan, assembly, store), assembly, store, given_values(settings, given))


def _num_cells(plan: Plan, given: Mapping[str, Given], *, many: bool) -> int:
    """Returns how many trials a grid takes: all its cells, or fewer where fewer are asked for.

    Raises:
        UserError: a dimension is continuous, or there are too many cells to be meant.
    """
    next(plan.space.cells())  # raises where there are none
    cells = int(plan.space.num_cells())
    if cells > MANY_CELLS and not many and "trials" not in given:
        raise UserError(
            f"the grid has {cells:,} cells, more than {MANY_CELLS:,}: leave out values, limit it with "
            "--trials, or say --yes."
        )
    return min(plan.wanted, cells) if "trials" in given else cells
