"""`train --seeds N`: one training with N seeds, a child run each; their parent has mean and spread.

settings -> data and network of the first seed (all bad input is found here) -> parent run opened
-> a child per seed -> mean, sd, interval, table, curves with a band -> parent closed with the truth
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from cnnexp.errors import Fault, SettingsError, TrackingError, UserError
from cnnexp.experiment.assemble import Assembly, assemble
from cnnexp.experiment.children import Child, run_children
from cnnexp.experiment.entry import asked_run, asked_settings, with_absolute_paths
from cnnexp.experiment.listener import Guarded, Listener
from cnnexp.experiment.names import SEEDS_KIND
from cnnexp.experiment.resume import CHANGEABLE, resumed_settings
from cnnexp.experiment.run import PROJECT_RUN, adopt_run, closed_truthfully
from cnnexp.experiment.seeds_record import SEEDS, SeedsResult, record_seeds, record_seeds_start
from cnnexp.experiment.trial import LoadedSets
from cnnexp.plugins import load_plugin
from cnnexp.process import STARTED_BY
from cnnexp.settings import Given, Settings
from cnnexp.tracking.rows import read_row
from cnnexp.tracking.run import Run
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import Store, open_store
from cnnexp.training.events import Outcome, Status
from cnnexp.training.interrupt import Interrupt

FEWEST, MOST = 2, 1000
_CHANGING_RESULTS = ("epochs", "max_time", "patience")  # seeds that are finished would have others


def train_seeds(
    seeds: int | None = None,
    *,
    config: str | Path | None = None,
    resume: str | None = None,
    from_trial: str | None = None,
    listener: Listener | None = None,
    **settings: object,
) -> SeedsResult:
    """Trains the same settings with several seeds, each a child run of one parent.

    Args:
        seeds: how many, 2 or more: seed, seed + 1, ... of the setting `seed`.
        config: YAML file of settings; keyword arguments win over it.
        resume: goes on with such a parent (id, unique prefix, name, `last`); finished seeds are only read.
        from_trial: `STUDY:NUMBER`: starts from the settings of a study's trial.
        listener: hears of progress; by default nobody does.
        **settings: any setting by its name.

    Returns:
        A row per seed, and of each measure mean, sd and 95 % interval.

    Raises:
        UserError: something cannot work as asked; no run is left open.
    """
    listener = _Once(listener or Listener())
    if resume is not None:
        return _resume(resume, seeds, config=config, settings=settings, listener=listener)
    if seeds is None or not FEWEST <= seeds <= MOST:
        raise UserError(
            f"--seeds {seeds} must be {FEWEST} to {MOST:,}: one seed has no spread; leave --seeds out for a "
            "single run."
        )
    asked = asked_settings(config=config, from_trial=from_trial, settings=settings)
    store = open_store(asked.tracking.tracking_uri)
    with ExitStack() as stack:
        run = None
        if PROJECT_RUN in os.environ:  # MLflow has opened it: it is closed truthfully whatever comes
            run = adopt_run(store, asked.tracking, listener, {"kind": SEEDS_KIND})
            stack.enter_context(closed_truthfully(run))
        training = _Training(asked, seeds, store, listener)
        if run is None:
            run = _open_parent(store, training.assembly, listener)
            stack.enter_context(closed_truthfully(run))
        return training.conduct(run)


def is_seeds_run(resume: str, *, config: str | Path | None, settings: Mapping[str, object]) -> bool:
    """Tells whether the run that is to go on is the parent of several seeds.

    Raises:
        TrackingError: no such run, or several.
    """
    store, run_id, _ = asked_run(resume, config=config, settings=settings)
    return read_row(store, run_id).tags.get("kind") == SEEDS_KIND


def _resume(
    resume: str,
    seeds: int | None,
    *,
    config: str | Path | None,
    settings: Mapping[str, object],
    listener: Listener,
) -> SeedsResult:
    store, run_id, given = asked_run(resume, config=config, settings=settings)
    row = read_row(store, run_id)
    count = _count_to_go_on_with(row, seeds)
    _refuse_other_results(given)
    resumed = with_absolute_paths(resumed_settings(store, run_id, given))
    training = _Training(resumed, count, store, listener)
    run = store.reopen_run(run_id, on_problem=listener.note)
    with closed_truthfully(run):
        return training.conduct(run)


def _count_to_go_on_with(row: RunRow, seeds: int | None) -> int:
    if row.tags.get("kind") != SEEDS_KIND or SEEDS not in row.params:
        raise TrackingError(
            f"run {row.run_id} is not one of several seeds; leave --seeds out to go on with a single run."
        )
    count = int(row.params[SEEDS])
    if seeds not in (None, count):
        raise UserError(
            f"--seeds {seeds}: run {row.name!r} is of {count} seeds and stays so; leave --seeds out, or "
            "start a new run without --resume."
        )
    if row.status == "FINISHED":
        raise UserError(f"run {row.run_id} is complete: all {count} seeds are trained.")
    return count


def _refuse_other_results(given: Mapping[str, Given]) -> None:
    allowed = [name for name in CHANGEABLE if name not in _CHANGING_RESULTS]
    faults = [
        Fault(
            name,
            given[name].value,
            f"cannot change for some of the seeds; only {', '.join(allowed)} can.",
            given[name].origin,
        )
        for name in _CHANGING_RESULTS
        if name in given
    ]
    if faults:
        raise SettingsError(faults)


class _Training:
    """The seeds of one parent; nothing is opened before `conduct`.

    Args:
        settings: of the first seed.
        count: how many seeds.
        store: that the runs are in.
        listener: hears of progress.

    Raises:
        UserError: something cannot work as asked.
    """

    def __init__(self, settings: Settings, count: int, store: Store, listener: Listener) -> None:
        self.store, self.listener, self.count = store, listener, count
        self.asked = settings
        for plugin in settings.plugins.plugin:
            load_plugin(plugin)
        closed = store.close_dead_runs()
        if closed:
            listener.note(f"closed {len(closed)} run(s) whose process had died: {', '.join(closed)}")
        self.sets = LoadedSets()
        self.assembly = assemble(settings, listener, load=self.sets.load)

    def conduct(self, run: Run) -> SeedsResult:
        """Trains every seed that is not finished, compares, records, closes."""
        record_seeds_start(run, self.assembly, self.count)
        interrupt = Interrupt(parent=STARTED_BY if PROJECT_RUN in os.environ else None)
        with interrupt:
            rows = list(
                run_children(
                    run,
                    self._children(run),
                    store=self.store,
                    listener=self.listener,
                    load=self.sets.load,
                    interrupt=interrupt,
                )
            )
            result = SeedsResult(
                outcome=_outcome(rows, self.count, interrupt.reason),
                title=self.assembly.title,
                asked=self.count,
                rows=tuple(rows),
                run_name=run.name,
                run_id=run.id,
                experiment_id=run.experiment_id,
                tracking_uri=self.store.uri,
                tracking=self.asked.tracking,
            )
            record_seeds(run, result, self.store, draws=self.asked.tracking.figures != "none")
            run.finish(result.outcome)
        return result

    def _children(self, run: Run) -> list[Child]:
        first = self.asked.training.seed
        return [
            Child(f"seed {seed}", self.asked.replace(seed=seed, run_name=f"{run.name}-seed{seed}"))
            for seed in range(first, first + self.count)
        ]


def _open_parent(store: Store, assembly: Assembly, listener: Listener) -> Run:
    tracking = assembly.settings.tracking
    name = tracking.run_name or f"{assembly.settings.network.model}-seeds-{time.strftime('%m%d-%H%M%S')}"
    return store.create_run(
        store.experiment_id(tracking.experiment),
        run_name=name,
        tags={**tracking.tags, "kind": SEEDS_KIND},
        on_problem=listener.note,
    )


def _outcome(rows: Sequence[RunRow], asked: int, reason: str | None) -> Outcome:
    if len(rows) < asked or rows[-1].outcome == Status.INTERRUPTED.value:
        trained = sum(row.status == "FINISHED" for row in rows)
        return Outcome(Status.INTERRUPTED, f"{reason or 'stopped'} after {trained} of {asked} seeds")
    failed = [row for row in rows if row.status != "FINISHED"]
    if failed:
        return Outcome(Status.FAILED, f"{failed[0].name}: {failed[0].reason}")
    return Outcome(Status.COMPLETED, f"{asked} seeds, each trained and tested once")


class _Once(Guarded):
    """Says every note once: what the data set has to say is the same for all seeds."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self._said: set[str] = set()

    def note(self, sentence: str) -> None:
        """Hands on what was not said yet."""
        if sentence not in self._said:
            self._said.add(sentence)
            super().note(sentence)
