"""`cnnexp.tune`: from settings to a study, its workers, and what it found.

settings -> space -> data and default network (all bad input is found here) -> study and its run
-> workers train trials until there are enough -> figures and tables -> best candidate refitted, tested once
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from cnnexp.errors import Fault, ModelError, SettingsError, UserError
from cnnexp.experiment.assemble import Assembly, assemble
from cnnexp.experiment.entry import with_absolute_paths
from cnnexp.experiment.run import closed_truthfully
from cnnexp.models import layer_table
from cnnexp.plugins import load_plugin
from cnnexp.settings import Given, TuneSettings, from_environment, read_settings_file, resolve_as
from cnnexp.settings.tuning import MEASURED
from cnnexp.tracking.store import Store, open_store
from cnnexp.training.events import Outcome, Status
from cnnexp.training.interrupt import Interrupt
from cnnexp.tuning import pool
from cnnexp.tuning.declared import build_space
from cnnexp.tuning.finish import finish_study, result_of
from cnnexp.tuning.ledger import Ledger
from cnnexp.tuning.listener import StudyFacts, StudyListener
from cnnexp.tuning.parent import Progress, open_parent, study_view
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.result import StudyResult
from cnnexp.tuning.storage import hidden, open_storage, opened_first, storage_url
from cnnexp.tuning.study import (
    PARENT_RUN,
    definition_of,
    first_candidates,
    load_study,
    make_or_join,
    recorded_settings,
    short_hash,
)
from cnnexp.tuning.worker import Worker

MANY_CELLS = 1000
_TRIES = 100  # candidates looked at before a space is said to have none that can take the images


@dataclass(frozen=True, slots=True)
class Prepared:
    """A study before its first trial of this session.

    Attributes:
        plan: of the study.
        assembly: of its default candidate: the data, and a network of the usual size.
        store: MLflow.
    """

    plan: Plan
    assembly: Assembly
    store: Store


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
    given = {
        name: value if isinstance(value, Given) else Given(value, f"argument {name}")
        for name, value in settings.items()
    }
    from_file = read_settings_file(Path(config)) if config is not None else {}
    layers = [from_environment(), from_file, given]
    if resume is not None:
        layers.insert(0, _recorded(resume, layers))
    merged = {name: one for layer in layers for name, one in layer.items()}
    resolved = with_absolute_paths(resolve_as(TuneSettings, *layers))
    _check_together(resolved, merged)
    if resolved.study.jobs != 1 and resolved.study.engine == "local":
        pool.warm_up()
    told = StudyListener() if listener is None else listener
    prepared = _prepared(resolved, merged, told, many=many)
    return _run(prepared, resolved, told)


def _recorded(name: str, layers: Sequence[Mapping[str, Given]]) -> dict[str, Given]:
    """Returns the settings of a study that goes on; what is given now wins over them."""
    merged = {key: one.value for layer in layers for key, one in layer.items()}
    store = open_store(_text(merged.get("tracking_uri")))
    url = storage_url(_text(merged.get("storage")), store.uri)
    recorded = recorded_settings(name, url)
    return {key: Given(value, f"study {name}") for key, value in recorded.items()} | {
        "study": Given(name, "--resume")
    }


def _text(value: object) -> str | None:
    return str(value) if value else None


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
    if settings.study.engine == "local" and settings.study.cluster is not None:
        faults.append(
            Fault("cluster", settings.study.cluster, "needs --engine dask.", given["cluster"].origin)
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
    store = open_store(settings.tracking.tracking_uri)
    for plugin in settings.plugins.plugin:
        load_plugin(plugin)
    closed = store.close_dead_runs()
    if closed:
        listener.note(f"closed {len(closed)} run(s) whose process had died")
    search = settings.search
    base = settings.of_a_run().replace(max_time=None)
    arguments = given["model_args"].value if "model_args" in given else {}
    fixed = frozenset({*given, *(arguments if isinstance(arguments, dict) else {})})
    space = build_space(search.space, base, fixed)
    limit = settings.training.max_time
    plan = Plan(
        name=settings.study.study or "",
        base=base,
        space=space,
        objectives=search.objective or (base.training.monitor,),
        wanted=search.trials,
        sampler=search.sampler,
        pruner=search.pruner,
        repeats=search.repeats,
        max_parameters=search.max_parameters,
        max_macs=search.max_macs,
        study=settings.study,
        storage=storage_url(settings.study.storage, store.uri),
        tracking_uri=store.uri,
        deadline=time.time() + limit if limit is not None else None,
    )
    assembly = _first_assembly(plan, listener)
    if plan.sampler == "grid":
        plan = replace(plan, wanted=_num_cells(plan, given, many=many))
    if not plan.name:
        definition = definition_of(plan, assembly.dataset.digest)
        plan = replace(plan, name=f"{assembly.title.replace(' on ', '-')}-{short_hash(definition)}")
    plan = replace(plan, experiment_id=store.experiment_id(settings.tracking.experiment))
    return Prepared(plan, assembly, store)


def _num_cells(plan: Plan, given: Mapping[str, Given], *, many: bool) -> int:
    """Returns how many trials a grid takes: all its cells, or fewer where fewer are asked for.

    Raises:
        UserError: a dimension is continuous, or there are too many cells to be meant.
    """
    cells = sum(1 for _ in plan.space.cells())
    if cells > MANY_CELLS and not many and "trials" not in given:
        raise UserError(
            f"the grid has {cells:,} cells, more than {MANY_CELLS:,}: leave out values, limit it with "
            "--trials, or say --yes."
        )
    return min(plan.wanted, cells) if "trials" in given else cells


def _first_assembly(plan: Plan, listener: StudyListener) -> Assembly:
    """Loads the data and builds the default candidate, or the first other one that can be built.

    Raises:
        UserError: the data cannot be had, or no candidate can take the images.
    """
    base = plan.base
    try:
        return assemble(base, listener)
    except ModelError as error:  # the defaults cannot take the images, or not in this size: others may
        first = error
    for params in plan.space.sampled(_TRIES, seed=base.training.seed):
        try:
            return assemble(plan.settings_of(params, seed=base.training.seed), listener)
        except UserError:
            continue
    raise first


def _run(prepared: Prepared, settings: TuneSettings, listener: StudyListener) -> StudyResult:
    """Makes or joins the study and works on it to its end."""
    plan, store = prepared.plan, prepared.store
    with opened_first(plan.storage):
        storage = open_storage(plan.storage, heartbeat=plan.study.heartbeat)
        make_or_join(
            plan,
            storage,
            prepared.assembly.dataset.digest,
            first_candidates(plan),
            settings.flat(),
        )
    study, ledger = load_study(plan, storage)
    interrupt = Interrupt()
    with ExitStack() as stack:
        stack.enter_context(interrupt)
        run = open_parent(store, plan, study, note=listener.note)
        if run is not None:
            stack.enter_context(closed_truthfully(run))
            store.set_experiment_tag(plan.experiment_id, *study_view(plan))
        plan = replace(plan, parent_run=run.id if run else study.user_attrs[PARENT_RUN])
        progress = Progress(plan, ledger, run, listener)
        _work(prepared, plan, ledger, progress, interrupt, listener)
        outcome = _outcome(plan, ledger, interrupt)
        if run is None:
            return result_of(plan, study, outcome, run_id=plan.parent_run)
        return finish_study(
            plan,
            study,
            run,
            store,
            outcome=outcome,
            refit=settings.search.refit,
            interrupt=interrupt,
            listener=listener,
        )


def _work(
    prepared: Prepared,
    plan: Plan,
    ledger: Ledger,
    progress: Progress,
    interrupt: Interrupt,
    listener: StudyListener,
) -> None:
    """Trains trials in this process or in several, until there are enough."""
    assembly = prepared.assembly
    table = layer_table(assembly.network, assembly.dataset.spec)
    jobs = pool.share_out(
        plan.study.jobs,
        trials=plan.wanted,
        macs=table.macs,
        device=assembly.settings.compute.device,
        threads=plan.base.compute.threads,
    )
    listener.study_started(
        StudyFacts(
            name=plan.name,
            what=assembly.title,
            space=plan.space.describe(),
            wanted=plan.wanted,
            finished=len(ledger.finished()),
            objectives=plan.objectives,
            workers=jobs.why,
            storage=hidden(plan.storage),
            run_id=plan.parent_run,
        )
    )
    if len(ledger.finished()) >= plan.wanted:
        return
    if len(jobs) == 1:
        worker = Worker(
            plan, interrupt=interrupt, machine=jobs.machines[0], listener=listener, on_trial=progress.look
        )
        worker.work()
    else:

        def tick() -> bool:
            progress.look()
            return len(ledger.finished()) >= plan.wanted

        pool.run_workers(plan, jobs, interrupt=interrupt, listener=listener, on_tick=tick)
    progress.look(at_once=True)


def _outcome(plan: Plan, ledger: Ledger, interrupt: Interrupt) -> Outcome:
    """Returns how the study stands when its workers have ended."""
    finished = ledger.finished()
    count = f"{len(finished)} of {plan.wanted} trials"
    if len(finished) >= plan.wanted:
        complete = [one for one in finished if one.values is not None and one.state.name == "COMPLETE"]
        if not complete:
            return Outcome(Status.FAILED, f"none of the {plan.wanted} trials was trained to its end")
        return Outcome(Status.COMPLETED, f"{count} are finished")
    if interrupt.reason is not None:
        return Outcome(Status.INTERRUPTED, f"{interrupt.reason}; {count} are finished")
    failures = ledger.failures_in_a_row()
    if failures >= plan.study.max_failures:
        reason = ledger.last_failure()
        return Outcome(Status.FAILED, f"{failures} trials in a row failed, the last with: {reason}")
    return Outcome(Status.STOPPED_EARLY, f"time limit reached; {count} are finished")
