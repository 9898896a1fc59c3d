"""One experiment from settings to result.

plug-ins -> store -> data, network (all bad input is found here) -> run opened
-> epochs -> best weights -> test, once -> figures, tables, model -> run closed with the truth
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from cnnexp.data import load_dataset
from cnnexp.errors import UserError
from cnnexp.experiment import record
from cnnexp.experiment.assemble import Assembly, Load, assemble, build_loop
from cnnexp.experiment.listener import Guarded, Listener, RunFacts
from cnnexp.experiment.look import record_looks
from cnnexp.experiment.result import Result, TestResult
from cnnexp.experiment.resume import check_resumable
from cnnexp.plugins import load_plugin
from cnnexp.process import STARTED_BY
from cnnexp.settings import Settings, TrackingSettings
from cnnexp.tracking.run import LOOK, Run
from cnnexp.tracking.store import PARENT, Store, open_store
from cnnexp.training.checkpoint import LAST, Progress, load_last
from cnnexp.training.events import TOTAL_SECONDS, EpochReport, Outcome, Status, training_seconds
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.judges import Judge
from cnnexp.training.loop import Loop

Conclude = Callable[[Run, Result], None]
PROJECT_RUN = "MLFLOW_RUN_ID"  # set by `mlflow run`, which has opened the run already


def run_experiment(
    settings: Settings,
    *,
    listener: Listener,
    resume: str | None = None,
    judges: tuple[Judge, ...] = (),
    store: Store | None = None,
    tags: Mapping[str, str] | None = None,
    load: Load = load_dataset,
    interrupt: Interrupt | None = None,
    conclude: Conclude | None = None,
) -> Result:
    """Trains, evaluates and records one run.

    Args:
        settings: of the run; of the resumed run where `resume` is given.
        listener: hears of progress.
        resume: id of the run that goes on.
        judges: asked after the standard ones.
        store: where the run is recorded; else the one that the settings name is opened.
        tags: beside those of the settings; `PARENT` makes it a child of another run.
        load: returns the data set; many runs of one process can share it.
        interrupt: asks for the end, where the caller listens to signals; else the run listens itself.
        conclude: called with the run and its result before the run is finished, for what is to be said in it.

    Raises:
        UserError: the input cannot work; no run is opened, and a resumed one stays as it was.
    """
    tags = tags or {}
    is_project = PROJECT_RUN in os.environ and resume is None and PARENT not in tags
    own = Interrupt(parent=STARTED_BY if is_project else None)
    listener = Guarded(listener)
    store = store or open_store(settings.tracking.tracking_uri)
    with ExitStack() as stack:
        run = None
        if is_project:  # MLflow has opened it already: whatever happens from here on, it is closed truthfully
            run = adopt_run(store, settings.tracking, listener, tags)
            stack.enter_context(closed_truthfully(run))
        for plugin in settings.plugins.plugin:
            load_plugin(plugin)
        closed = store.close_dead_runs()
        if closed:
            listener.note(f"closed {len(closed)} run(s) whose process had died: {', '.join(closed)}")
        assembly = assemble(settings, listener, load=load, resumes=resume is not None)
        checkpoints = {} if resume is None else check_resumable(store, resume, assembly)
        if interrupt is None:
            interrupt = stack.enter_context(own)
        if run is None:
            run = _open_run(store, assembly, resume, listener, tags)
            stack.enter_context(closed_truthfully(run))
            run.take_files(checkpoints)
        experiment = Experiment(store, run, assembly, listener, interrupt, judges)
        return experiment.conduct(resumed=resume is not None, conclude=conclude)


class Experiment:
    """The steps of an open run."""

    def __init__(
        self,
        store: Store,
        run: Run,
        assembly: Assembly,
        listener: Listener,
        interrupt: Interrupt,
        judges: tuple[Judge, ...],
    ) -> None:
        self.store, self.run, self.assembly, self.listener = store, run, assembly, listener
        self.loop = build_loop(
            assembly,
            folder=run.folder,
            interrupt=interrupt,
            extra_judges=judges,
            on_batch=listener.batch,
            on_unsaved=self._unsaved,
        )
        self._said_unsaved = False

    def conduct(self, *, resumed: bool, conclude: Conclude | None = None) -> Result:
        """Trains, evaluates, records, closes."""
        result = self.train_and_test(resumed=resumed)
        self.run.set_description(
            record.describe(self.assembly, dict(result.metrics), result.outcome.reason, look=self.run.look)
        )
        if conclude is not None:
            conclude(self.run, result)
        self.run.finish(result.outcome)
        return result

    def train_and_test(self, *, resumed: bool = False) -> Result:
        """Trains, evaluates, records; the run stays open."""
        start = self._restore() if resumed else None
        if start is None:
            record.record_start(self.run, self.assembly)
            if self._draws:
                record.record_sample(self.run, self.assembly)
        else:
            record.record_settings(self.run, self.assembly)
        self.listener.started(self._facts(start.epoch + 1 if start else 1))
        history, outcome = train_epochs(self.loop, self.run, self.listener, start)
        metrics: dict[str, float] = {
            **(history[-1].metrics() if history else {}),
            **record.best_metrics(history),
        }
        model, uri, test = None, None, None
        if "best/epoch" in metrics:
            self.loop.restore_best(history)
            if outcome.status in {Status.COMPLETED, Status.STOPPED_EARLY}:
                uri, test = self._test(history, metrics)
            elif self._draws:
                record.record_curves(self.run, self.assembly, history)
            model = self.assembly.classifier()
        record.publish_checkpoints(self.run)
        return Result(
            outcome=outcome,
            metrics=metrics,
            history=tuple(history),
            settings=self.assembly.settings,
            class_names=self.assembly.dataset.class_names,
            model=model,
            run_id=self.run.id,
            run_name=self.run.name,
            experiment_id=self.run.experiment_id,
            tracking_uri=self.store.uri,
            model_uri=uri,
            test=test,
        )

    def _test(self, history: list[EpochReport], metrics: dict[str, float]) -> tuple[str | None, TestResult]:
        if self.run.look > 1:
            self.run.set_tags({LOOK: str(self.run.look)})
            self.listener.note(f"the test part was evaluated before: this is look number {self.run.look}")
        test = record.evaluate_test(self.assembly, self.loop.stepper)
        metrics |= record.test_metrics(test)
        best_epoch = int(metrics["best/epoch"])
        record.record_test(self.run, self.assembly, test)
        once = {name: value for name, value in metrics.items() if name.startswith("test/")}
        uri = None
        if self.assembly.settings.tracking.log_model:
            uri = record.record_model(self.run, self.assembly, once, best_epoch)
        else:  # a logged model brings them to the run
            self.run.log_metrics(once)
        if self._draws:
            record.record_figures(self.run, self.assembly, history, test)
        if self.assembly.settings.tracking.figures == "all":
            record_looks(self.run, self.assembly, self.listener)
        return uri, test

    def _restore(self) -> Progress:
        stepper = self.loop.stepper
        return load_last(self.run.folder / LAST, stepper.network, stepper.optimizer, scaler=stepper.scaler)

    @property
    def _draws(self) -> bool:
        return self.assembly.settings.tracking.figures != "none"

    def _unsaved(self, error: OSError) -> None:
        if not self._said_unsaved:
            self._said_unsaved = True
            self.listener.note(f"checkpoints cannot be written ({error}); training goes on without them")

    def _facts(self, first_epoch: int) -> RunFacts:
        data, settings = self.assembly.dataset, self.assembly.settings
        return RunFacts(
            run_name=self.run.name,
            run_id=self.run.id,
            model=settings.network.model,
            num_parameters=sum(weight.numel() for weight in self.assembly.network.parameters()),
            dataset=self.assembly.dataset_name,
            image=str(data.spec),
            num_classes=data.spec.num_classes,
            num_images=(len(data.train), len(data.val), len(data.test)),
            device=str(self.assembly.compute.device),
            precision=self.assembly.compute.precision,
            epochs=settings.training.epochs,
            first_epoch=first_epoch,
        )


def train_epochs(
    loop: Loop, run: Run, listener: Listener, start: Progress | None = None
) -> tuple[list[EpochReport], Outcome]:
    """Trains to the end of the loop; every epoch is logged when it is done."""
    history = list(start.history) if start else []
    reports = loop.run(start)
    while True:
        try:
            report = next(reports)
        except StopIteration as end:
            return history, end.value
        history.append(report)
        if loop.keeps_last:  # what goes on after a stop; a trial does not
            record.record_epochs(run, history)
        total = {TOTAL_SECONDS: training_seconds(history)}
        run.log_epoch(report.epoch, {**report.metrics(), **total, **record.best_metrics(history)})
        listener.epoch(report)


def adopt_run(store: Store, tracking: TrackingSettings, listener: Listener, tags: Mapping[str, str]) -> Run:
    """Goes on with the run that `mlflow run` has opened for this process."""
    return store.adopt_run(
        os.environ[PROJECT_RUN],
        run_name=tracking.run_name,
        tags={**tracking.tags, **tags},
        on_problem=listener.note,
    )


def _open_run(
    store: Store, assembly: Assembly, resume: str | None, listener: Listener, tags: Mapping[str, str]
) -> Run:
    settings = assembly.settings.tracking
    if resume is not None:
        return store.reopen_run(resume, on_problem=listener.note)
    name = settings.run_name or f"{assembly.settings.network.model}-{time.strftime('%m%d-%H%M%S')}"
    experiment_id = store.experiment_id(settings.experiment)
    tags = {**settings.tags, **tags}
    return store.create_run(experiment_id, run_name=name, tags=tags, on_problem=listener.note)


@contextmanager
def closed_truthfully(run: Run) -> Iterator[None]:
    """Whatever is raised while the run is open, the run says so."""
    try:
        yield
    except KeyboardInterrupt:
        run.finish(Outcome(Status.INTERRUPTED, "interrupted at once, outside an epoch"))
        raise
    except UserError as error:
        run.finish(Outcome(Status.FAILED, str(error)))
        raise
    except BaseException as error:
        run.finish(Outcome(Status.FAILED, f"{type(error).__name__}: {error}"))
        raise
