"""What a search and a sweep have in common: from layers of settings to workers that have ended.

settings -> store, plug-ins -> data and a first network (all bad input is found by now) -> study and its run
-> workers train trials until there are enough -> how it stands
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from optuna.study import Study

from cnnexp.errors import Fault, ModelError, SettingsError, UserError
from cnnexp.experiment.assemble import Assembly, assemble
from cnnexp.experiment.entry import with_absolute_paths
from cnnexp.experiment.record import record_environment
from cnnexp.experiment.run import PROJECT_RUN, closed_truthfully
from cnnexp.models import MODELS, layer_table
from cnnexp.plugins import load_plugin
from cnnexp.process import STARTED_BY, warm_up_workers
from cnnexp.settings import Given, Settings, from_environment, read_settings_file, resolve_as
from cnnexp.settings.tuning import StudyOf
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store, open_store
from cnnexp.training.events import Outcome, Status
from cnnexp.training.interrupt import Interrupt
from cnnexp.tuning import cluster, pool
from cnnexp.tuning.ledger import Ledger
from cnnexp.tuning.listener import StudyFacts, StudyListener
from cnnexp.tuning.parent import Progress, open_parent, study_view
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.space import Params, Space
from cnnexp.tuning.storage import hidden, open_storage, opened_first, storage_url
from cnnexp.tuning.study import (
    PARENT_RUN,
    definition_of,
    load_study,
    make_or_join,
    recorded_settings,
    short_hash,
)

MANY_CELLS = 1000  # of a grid: more must be meant
_TRIES = 100  # candidates looked at before a space is said to have none that can take the images
Schema = TypeVar("Schema", bound=StudyOf)
Found = TypeVar("Found")
Layer = Mapping[str, Given]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A study before its first trial of this session.

    Attributes:
        plan: of the study.
        assembly: of its default candidate: the data, and a network of the usual size.
        store: MLflow.
        given: values that were given anywhere, by flat name, which `--resume` finds again.
    """

    plan: Plan
    assembly: Assembly
    store: Store
    given: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ended:
    """A study whose workers have ended; its run is still open.

    Attributes:
        plan: of the study.
        study: of Optuna.
        run: of the study; None where another process writes it.
        store: MLflow.
        outcome: how it stands.
        interrupt: may still ask for an end.
    """

    plan: Plan
    study: Study
    run: Run | None
    store: Store
    outcome: Outcome
    interrupt: Interrupt


def read_settings(
    schema: type[Schema], config: str | Path | None, resume: str | None, settings: Mapping[str, object]
) -> tuple[Schema, dict[str, Given]]:
    """Returns the settings of the command, and those of them that were given anywhere.

    Args:
        schema: of the command.
        config: YAML file of settings.
        resume: name of a study that goes on with its own settings.
        settings: keyword arguments, which win.

    Raises:
        UserError: names or values are wrong, or there is no such study.
    """
    given = {
        name: value if isinstance(value, Given) else Given(value, f"argument {name}")
        for name, value in settings.items()
    }
    from_file = read_settings_file(Path(config)) if config is not None else {}
    layers: list[Layer] = [from_environment(), from_file, given]
    if resume is not None:
        layers.insert(0, _recorded(resume, layers))
    merged = {name: one for layer in layers for name, one in layer.items()}
    resolved = with_absolute_paths(resolve_as(schema, *layers))
    if resolved.study.engine == "local" and resolved.study.cluster is not None:
        raise SettingsError(
            [Fault("cluster", resolved.study.cluster, "needs --engine dask.", merged["cluster"].origin)]
        )
    return resolved, merged


def given_values(settings: StudyOf, given: Mapping[str, Given]) -> dict[str, object]:
    """Returns what was given anywhere, checked and in plain types."""
    flat = settings.flat()
    return {name: flat[name] for name in given}


def _recorded(name: str, layers: Sequence[Layer]) -> dict[str, Given]:
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


def ready_store(settings: StudyOf, listener: StudyListener) -> Store:
    """Opens the store, closes the runs of the dead, loads the user's own code, and lets workers warm up."""
    if settings.study.jobs != 1 and settings.study.engine == "local":
        warm_up_workers()
    store = open_store(settings.tracking.tracking_uri)
    for plugin in settings.plugins.plugin:
        load_plugin(plugin)
    closed = store.close_dead_runs()
    if closed:
        listener.note(f"closed {len(closed)} run(s) whose process had died")
    return store


def base_of(settings: StudyOf) -> Settings:
    """Returns the settings of the runs, before they vary; the time limit is the study's."""
    base = settings.of_a_run().replace(max_time=None, model=MODELS.get(settings.network.model).name)
    return base.replace(workers=0) if settings.study.engine == "dask" else base


def plan_of(
    settings: StudyOf,
    store: Store,
    *,
    base: Settings,
    space: Space,
    objectives: tuple[str, ...],
    wanted: int,
    sampler: str,
) -> Plan:
    """Returns the plan of a study that prunes nothing and limits nothing; the name may still be missing."""
    study, limit = settings.study, settings.training.max_time
    return Plan(
        name=study.study or "",
        base=base,
        space=space,
        objectives=objectives,
        wanted=wanted,
        sampler=sampler,
        study=study,
        storage=storage_url(study.storage, store.uri),
        tracking_uri=store.uri,
        workers=settings.data.workers or None if study.engine == "dask" else study.jobs,
        deadline=time.time() + limit if limit is not None else None,
    )


def first_assembly(plan: Plan, listener: StudyListener) -> Assembly:
    """Loads the data and builds the default candidate, or the first other one that can be built.

    Raises:
        UserError: the data cannot be had, or no candidate can take the images.
    """
    seed = plan.base.training.seed
    try:
        return assemble(plan.settings_of(plan.space.default(plan.base), seed=seed), listener)
    except ModelError as error:  # the defaults cannot take the images, or not in this size: others may
        first = error
    for params in plan.space.sampled(_TRIES, seed=seed):
        try:
            return assemble(plan.settings_of(params, seed=seed), listener)
        except UserError:
            continue
    raise first


def named(plan: Plan, assembly: Assembly, store: Store) -> Plan:
    """Returns the plan with its place in MLflow and a name that the same command gives again."""
    if not plan.name:
        digits = short_hash(definition_of(plan, assembly.dataset.digest))
        plan = replace(plan, name=f"{assembly.title.replace(' on ', '-')}-{digits}")
    experiment_id = store.experiment_id(plan.base.tracking.experiment)
    return replace(plan, experiment_id=experiment_id, spec=assembly.dataset.spec)


def conduct(
    prepared: Prepared,
    listener: StudyListener,
    *,
    queued: list[tuple[Params, int]],
    finish: Callable[[Ended], Found],
) -> Found:
    """Makes or joins the study and works on it to its end.

    Args:
        prepared: the study.
        listener: hears of progress.
        queued: candidates that a new study begins with, each with the number of its seed.
        finish: makes the result, writes it to the study's run and closes that.
    """
    plan, store = prepared.plan, prepared.store
    interrupt = Interrupt(parent=STARTED_BY if PROJECT_RUN in os.environ else None)
    with ExitStack() as stack:
        with opened_first(plan.storage):
            storage = open_storage(plan.storage, heartbeat=plan.study.heartbeat)
            make_or_join(plan, storage, prepared.assembly.dataset.digest, queued, prepared.given)
            study, ledger = load_study(plan, storage)
            stack.enter_context(interrupt)
            run = open_parent(store, plan, study, note=listener.note)  # of two commands one opens it
        if run is not None:
            stack.enter_context(closed_truthfully(run))
            store.set_experiment_tag(plan.experiment_id, *study_view(plan))
            record_environment(run)
        plan = replace(plan, parent_run=run.id if run else study.user_attrs[PARENT_RUN])
        progress = Progress(plan, ledger, run, listener)
        _work(replace(prepared, plan=plan), ledger, progress, interrupt, listener)
        store.close_dead_runs()  # of workers that died before the study knew of their run
        return finish(Ended(plan, study, run, store, _outcome(plan, ledger, interrupt), interrupt))


def _work(
    prepared: Prepared, ledger: Ledger, progress: Progress, interrupt: Interrupt, listener: StudyListener
) -> None:
    """Trains trials in this process, in several, or on a cluster, until there are enough."""
    plan = prepared.plan
    jobs = _shared_out(prepared)
    listener.study_started(_facts(prepared, len(ledger.finished()), jobs.why))
    if len(ledger.finished()) >= plan.wanted:
        return

    def tick() -> bool:
        progress.look()
        return len(ledger.finished()) >= plan.wanted

    if plan.study.engine == "dask":
        cluster.run_on_cluster(
            plan,
            jobs.machines,
            address=plan.study.cluster,
            interrupt=interrupt,
            listener=listener,
            on_tick=tick,
        )
    elif len(jobs) == 1:
        machine = jobs.machines[0]
        pool.work_here(plan, machine, interrupt=interrupt, listener=listener, on_trial=progress.look)
    else:
        pool.run_workers(plan, jobs, interrupt=interrupt, listener=listener, on_tick=tick)
    progress.look(at_once=True)


def _shared_out(prepared: Prepared) -> pool.Jobs:
    plan, assembly = prepared.plan, prepared.assembly
    table = layer_table(assembly.torch_network, assembly.dataset.spec)
    return pool.share_out(
        plan.workers,
        trials=plan.wanted,
        macs=table.macs,
        device=assembly.settings.compute.device,
        compute=plan.base.compute,
    )


def _facts(prepared: Prepared, finished: int, workers: str) -> StudyFacts:
    plan = prepared.plan
    return StudyFacts(
        name=plan.name,
        what=prepared.assembly.title,
        space=plan.space.describe(),
        wanted=plan.wanted,
        finished=finished,
        objectives=plan.objectives,
        workers=workers,
        storage=hidden(plan.storage),
        run_id=plan.parent_run,
    )


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
