"""A finished run, trained again from what it recorded, and held against itself bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnexp.data import load_dataset
from cnnexp.data.dataset import ImageDataset
from cnnexp.errors import DataError, TrackingError, UserError
from cnnexp.experiment.assemble import Load
from cnnexp.experiment.children import can_go_on
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.result import Result
from cnnexp.experiment.run import run_experiment
from cnnexp.plugins import load_plugin
from cnnexp.results.circumstances import Change, device_here, find_changes
from cnnexp.results.looks import looks_before
from cnnexp.results.recorded import REPRODUCES, Recorded, find_recorded
from cnnexp.results.same import FirstDifference, Sameness, compare_runs
from cnnexp.settings import Settings
from cnnexp.tracking.rows import rows_where
from cnnexp.tracking.run import LOOK, Run
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import open_store
from cnnexp.training.events import EpochReport, Outcome, Status
from cnnexp.training.judges import Judge

FINDING = "reproduction"  # tag: what came of it


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of training a run again.

    Attributes:
        run_id: of the new run.
        run_name: of the new run.
        original_id: of the run that was to come out again.
        original_name: likewise.
        outcome: how the new run ended.
        comparison: what was compared, and the first difference.
        changes: what is not as it was when the run was trained.
        reason: the likely one for the difference; empty where there is none.
    """

    run_id: str
    run_name: str
    original_id: str
    original_name: str
    outcome: Outcome
    comparison: Sameness
    changes: tuple[Change, ...]
    reason: str

    @property
    def is_identical(self) -> bool:
        """True where all that was compared is the same, bit for bit, to the end."""
        return self.comparison.difference is None and self.outcome.status is not Status.INTERRUPTED

    @property
    def finding(self) -> str:
        """The result, as a sentence."""
        difference = self.comparison.difference
        if difference is not None:
            return f"not identical: {difference.sentence}"
        so_far = "identical so far" if self.outcome.status is Status.INTERRUPTED else "identical"
        return f"{so_far}, bit for bit: {', '.join(self.comparison.compared)}"

    @property
    def record(self) -> str:
        """What the new run says of it: the finding and the likely reason."""
        return f"{self.finding}. Likely reason: {self.reason}" if self.reason else self.finding

    @property
    def exit_code(self) -> int:
        """0 for an identical run, 1 for another one, as `diff` has it; 130 for one that was interrupted."""
        if self.outcome.status is Status.INTERRUPTED:
            return self.outcome.exit_code
        return 0 if self.is_identical else 1


def reproduce(
    run: str,
    *,
    epochs: int | None = None,
    anyway: bool = False,
    data_dir: str | None = None,
    tracking_uri: str | None = None,
    listener: Listener | None = None,
) -> Reproduction:
    """Trains a run again, as a run of its own, from what it recorded, and compares the two.

    It ends after as many epochs as the run has, whatever had ended that: its time limit is left aside. One
    that was interrupted goes on, unless versions, code, machine or data have changed since.

    Args:
        run: id, unique start of one, name, `last`, `best`, or the URI of a model of the run.
        epochs: train and compare only that many; schedules stay those of the whole run.
        anyway: go on where the data have changed.
        data_dir: folder where data sets lie now.
        tracking_uri: the store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.
        listener: hears of progress and of what has changed.

    Raises:
        UserError: no such run, one without settings or epochs, or data that have changed.
    """
    listener = listener or Listener()
    store = open_store(tracking_uri, make=False)
    then = find_recorded(store, run)
    settings, count = _settings(then, data_dir), _num_epochs(then, epochs)
    for plugin in settings.plugins.plugin:
        load_plugin(plugin)
    dataset = load_dataset(settings.data, progress=listener.progress)
    changes = find_changes(then, settings, digest=dataset.digest, folder=Path.cwd())
    _say(changes, then, listener, anyway=anyway)
    conclude = _Conclusion(then, changes, epochs)
    begun = _begun(then, settings, dataset)
    if begun is not None:
        listener.note(f"goes on with run {begun.run_id[:8]}, which was interrupted")
    run_experiment(
        settings,
        listener=listener,
        resume=None if begun is None else begun.run_id,
        judges=(_after(count, then.label),),
        store=store,
        tags=_tags(then, dataset),
        load=_loaded(dataset),
        conclude=conclude,
    )
    return conclude.reproduction()


def _begun(then: Recorded, settings: Settings, dataset: ImageDataset) -> RunRow | None:
    """Returns the last reproduction that was interrupted, where nothing has changed since it began."""
    then.store.close_dead_runs()
    rows = rows_where(then.store, f"tags.{REPRODUCES} = '{then.run_id}' and attributes.status != 'FINISHED'")
    for row in reversed(rows):
        if row.status in ("KILLED", "FAILED") and can_go_on(then.store, row):
            begun = Recorded(then.store, row)
            has_changed = find_changes(begun, settings, digest=dataset.digest, folder=Path.cwd())
            return None if has_changed else row
    return None


def _tags(then: Recorded, dataset: ImageDataset) -> dict[str, str]:
    """Returns what the new run says of the old: it looks at the same test part again."""
    tags = {REPRODUCES: then.run_id}
    if dataset.digest == then.data.digest:
        looks = looks_before(then, digest=dataset.digest, part="test", is_own=True)
        tags[LOOK] = str(looks + 1)
    return tags


class _Conclusion:
    """Compares the new run with the old one and says in it what came of it, before it is finished.

    Args:
        then: the run that was to come out again.
        changes: what is not as it was.
        epochs: compare that many only; None: all there is.
    """

    def __init__(self, then: Recorded, changes: Sequence[Change], epochs: int | None) -> None:
        self._then, self._changes, self._epochs = then, changes, epochs
        self._found: Reproduction | TrackingError = TrackingError("the run was not compared.")

    def __call__(self, run: Run, result: Result) -> None:
        then = self._then
        try:
            comparison = _compare(then, find_recorded(then.store, run.id), result, epochs=self._epochs)
        except TrackingError as error:  # the training is done all the same
            self._found = error
            return
        self._found = Reproduction(
            run_id=result.run_id,
            run_name=result.run_name,
            original_id=then.run_id,
            original_name=then.label,
            outcome=result.outcome,
            comparison=comparison,
            changes=tuple(self._changes),
            reason=_reason(comparison.difference, self._changes, result.settings),
        )
        run.set_tags({FINDING: self._found.record})

    def reproduction(self) -> Reproduction:
        """Returns what came of it, or raises why it cannot be told."""
        if isinstance(self._found, TrackingError):
            raise self._found
        return self._found


def _say(changes: Sequence[Change], then: Recorded, listener: Listener, *, anyway: bool) -> None:
    for change in changes:
        if change.kind == "data" and not anyway:
            raise DataError(
                f"the data of run {then.label} are not what they were: {change.then_and_now}. Bring the old "
                "data back, or give --anyway to see where the runs part."
            )
        listener.note(f"not as it was, {change.kind}: {change.then_and_now}")


def _compare(then: Recorded, now: Recorded, result: Result, *, epochs: int | None) -> Sameness:
    done = len(result.history)
    if not done:
        return Sameness()
    if result.outcome.status is Status.INTERRUPTED:
        return compare_runs(then, now, epochs=done)
    return compare_runs(then, now, epochs=epochs)


def _settings(then: Recorded, data_dir: str | None) -> Settings:
    if then.row.tags.get("kind") == "trial":
        raise UserError(
            f"run {then.label} is a trial of a study, which keeps neither its epochs nor its weights; "
            f"`cnnexp train --from-trial STUDY:{then.row.tags.get('trial_number', 'N')}` trains it again."
        )
    changed: dict[str, object] = {} if data_dir is None else {"data_dir": data_dir}
    return then.settings.replace(
        run_name=f"{then.label} again",
        experiment=then.row.experiment,
        tracking_uri=then.store.uri,
        device=device_here(then),
        max_time=None,  # a clock ends no two runs at the same epoch
        **changed,
    )


def _num_epochs(then: Recorded, asked: int | None) -> int:
    """Returns how many epochs are trained: those that the run has, or the first of them."""
    try:
        count = len(then.epochs)
    except TrackingError as error:
        raise UserError(
            f"run {then.label} has no epoch to compare with: {error} `cnnexp train --config settings.yaml` "
            "repeats its settings."
        ) from error
    if asked is not None and not 1 <= asked <= count:
        raise UserError(f"--epochs {asked}: run {then.label} has epochs 1 to {count}.")
    return asked or count


def _after(count: int, name: str) -> Judge:
    """Returns a judge that ends the training where the comparison ends; no schedule hears of it."""

    def judge(history: Sequence[EpochReport]) -> Outcome | None:
        if len(history) < count:
            return None
        return Outcome(
            Status.STOPPED_EARLY, f"{count} epochs are trained, as many as are held against {name}"
        )

    return judge


def _loaded(dataset: ImageDataset) -> Load:
    def load(*_: object, **__: object) -> ImageDataset:
        return dataset

    return load


def _reason(difference: FirstDifference | None, changes: Sequence[Change], settings: Settings) -> str:
    if difference is None:
        return ""
    if difference.what == "lr":
        return (
            "the learning rate itself differs: the run went on (--resume) with another number of epochs than "
            "it began with, over which its schedule is spread"
        )
    if difference.what == "epochs":
        return "the run went on (--resume) with another --epochs, --patience or --max-time than it began with"
    if changes:
        return f"other {changes[0].kind}: {changes[0].then_and_now}"
    if settings.compute.device != "cpu":
        return (
            f"nothing that was recorded has changed; kernels of {settings.compute.device} may add in another "
            "order every time"
        )
    return (
        "nothing that was recorded has changed: own code that draws random numbers or reads the clock, own "
        "code or a package that was edited, or files of the run that were"
    )
