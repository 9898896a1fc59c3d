"""One experiment from its file to its table.

file -> plan (all bad input is found here) -> parent run, new or unfinished -> forecast
-> race, arms × seeds as children -> table, answers, figures
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cnnexp.errors import UserError
from cnnexp.experiment.children import run_children
from cnnexp.experiment.listener import Guarded, Listener
from cnnexp.experiment.names import CHILD
from cnnexp.experiment.race import race
from cnnexp.experiment.run import closed_truthfully
from cnnexp.published import find_experiment
from cnnexp.published.answers import Ground, answer
from cnnexp.published.forecast import LONG_SECONDS, Forecast, Span, forecast
from cnnexp.published.measured import Measured, tested
from cnnexp.published.networks import Counted, count
from cnnexp.published.plan import Plan, make_plan
from cnnexp.published.read import read_experiment
from cnnexp.published.report import ExperimentResult, record, record_start
from cnnexp.published.request import Request
from cnnexp.published.table import table_of
from cnnexp.results.recorded import Recorded
from cnnexp.tracking.environment import machine_facts
from cnnexp.tracking.rows import children_of, rows_where
from cnnexp.tracking.run import DESCRIPTION, Run
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import PARENT, Store, open_store
from cnnexp.training.events import Outcome, Status
from cnnexp.training.interrupt import Interrupt

KIND, RACE = "experiment", "race"
FILE, FORM, DIGEST = "cnnexp.experiment", "cnnexp.form", "cnnexp.digest"


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is said before an experiment is run.

    Attributes:
        plan: what will be run.
        forecasts: of each arm; none for the quick form, unless only they are asked for.
        done: runs that were finished before.
        goes_on: name of the unfinished run that goes on.
    """

    plan: Plan
    forecasts: Sequence[Forecast]
    done: int
    goes_on: str | None

    @property
    def span(self) -> Span:
        """How long all that is still to be trained will take."""
        return sum((one.together for one in self.forecasts), Span(0.0, 0.0))


def run_published(
    text: str,
    request: Request,
    *,
    fresh: bool = False,
    long: bool = False,
    dry_run: bool = False,
    listener: Listener | None = None,
    announce: Callable[[Announcement], None] = lambda _: None,
) -> ExperimentResult | None:
    """Runs a published experiment, or a user's own file of the same form.

    Args:
        text: name of a shipped experiment, or path of a file.
        request: form, seeds, data.
        fresh: start anew though an unfinished run of the very same experiment is there.
        long: go on though it will take hours.
        dry_run: only say what would be run, and how long it would take.
        listener: hears of progress.
        announce: told what will be run before anything is.

    Returns:
        What was found; None of a dry run.

    Raises:
        UserError: something cannot work as asked; no run is opened.
    """
    listener = Guarded(listener or Listener())
    plan = make_plan(read_experiment(find_experiment(text)), request, listener)
    counted = [count(one) for one in plan.file.experiment.networks]
    tracking = next(iter(plan.arms.values())).tracking
    store = open_store(tracking.tracking_uri)
    store.close_dead_runs()
    parent_row = None if fresh else _unfinished(store, plan, tracking.experiment)
    before = children_of(store, parent_row.run_id) if parent_row else []
    finished = {row.tags.get(CHILD) for row in before if tested(row)}
    todo = [child for child in plan.children() if child.key not in finished]
    raced = next((row for row in before if row.tags.get("kind") == RACE and tested(row)), None)
    is_measured = dry_run or plan.form == "full"
    forecasts = forecast(plan, todo, with_race=raced is None, listener=listener) if is_measured else []
    done = len(plan.children()) - len(todo)
    announcement = Announcement(plan, forecasts, done, parent_row.name if parent_row else None)
    announce(announcement)
    if dry_run:
        return None
    if announcement.span.typical > LONG_SECONDS and not long:
        raise UserError(
            f"{plan.name} will take about {announcement.span} here; say --yes to wait for it, "
            "--quick for the reduced form, or take less: --seeds 1, --arms with some of "
            f"{', '.join(plan.arms)}."
        )
    with Interrupt() as interrupt:
        conduct = _Conduct(plan, counted, store, listener, interrupt)
        return conduct.run(parent_row, raced)


def _unfinished(store: Store, plan: Plan, experiment: str) -> RunRow | None:
    """Returns the latest run of the very same experiment that did not come to its end."""
    known = [one for one in store.client.search_experiments() if one.name == experiment]
    if not known:
        return None
    condition = (
        f"tags.kind = '{KIND}' and tags.`{DIGEST}` = '{plan.digest()}' and tags.`{FORM}` = '{plan.form}' "
        f"and attributes.status != 'FINISHED'"
    )
    rows = [row for row in rows_where(store, condition, experiment=experiment) if row.tags[FILE] == plan.name]
    return rows[-1] if rows else None


class _Conduct:
    """The steps of an experiment under its open parent run."""

    def __init__(
        self,
        plan: Plan,
        counted: Sequence[Counted],
        store: Store,
        listener: Listener,
        interrupt: Interrupt,
    ) -> None:
        self.plan, self.counted, self.store = plan, counted, store
        self.listener, self.interrupt = listener, interrupt
        self.rows: dict[str, RunRow] = {}  # by key of the child

    def run(self, unfinished: RunRow | None, raced: RunRow | None) -> ExperimentResult:
        """Trains what is missing under the unfinished parent or a new one; judges all there is."""
        machine = {f"machine.{name}": value for name, value in machine_facts().items()}
        parent = self._new() if unfinished is None else self._reopened(unfinished)
        with closed_truthfully(parent):
            if unfinished is None:
                parent.log_params(
                    {"experiment": self.plan.name, "form": self.plan.form, **self.plan.datasets, **machine}
                )
            record_start(parent, self.plan)
            outcome = self._race(parent) if self.plan.race is not None and raced is None else None
            if outcome is None or outcome.status is Status.COMPLETED:
                outcome = self._arms(parent)
            result = self._result(parent, outcome)
            record(parent, result)
            parent.finish(outcome)
        return result

    def _new(self) -> Run:
        plan, tracking = self.plan, next(iter(self.plan.arms.values())).tracking
        tags = {"kind": KIND, FILE: plan.name, FORM: plan.form, DIGEST: plan.digest()}
        name = plan.name if plan.form == "full" else f"{plan.name}-quick"
        experiment_id = self.store.experiment_id(tracking.experiment)
        return self.store.create_run(experiment_id, run_name=name, tags=tags, on_problem=self.listener.note)

    def _reopened(self, unfinished: RunRow) -> Run:
        return self.store.reopen_run(unfinished.run_id, on_problem=self.listener.note)

    def _race(self, parent: Run) -> Outcome:
        settings, asked = self.plan.race, self.plan.file.experiment.race
        assert settings is not None
        assert asked is not None
        values = settings.replace(run_name=f"{parent.name}-race", tags={PARENT: parent.id}).flat()
        values.pop("conv")
        found = race(asked.algorithms, long=True, listener=self.listener, interrupt=self.interrupt, **values)
        return found.outcome

    def _arms(self, parent: Run) -> Outcome:
        children = self.plan.children()
        for row in run_children(
            parent, children, store=self.store, listener=self.listener, interrupt=self.interrupt
        ):
            self.rows[row.tags[CHILD]] = row
        is_stopped = any(row.outcome == Status.INTERRUPTED.value for row in self.rows.values())
        if is_stopped or len(self.rows) < len(children):
            trained = sum(map(tested, self.rows.values()))
            reason = self.interrupt.reason or "stopped"
            return Outcome(Status.INTERRUPTED, f"{reason} after {trained} of {len(children)} runs")
        failed = [key for key, row in self.rows.items() if not tested(row)]
        if failed:
            return Outcome(Status.FAILED, f"{len(failed)} of {len(children)} runs failed, {failed[0]} first")
        return Outcome(Status.COMPLETED, f"{len(children)} runs")

    def _result(self, parent: Run, outcome: Outcome) -> ExperimentResult:
        experiment, measured = self.plan.file.experiment, self._measured(parent)
        quick = self.plan.form == "quick"
        ground = Ground(
            measured,
            {one.network.name: one for one in self.counted},
            next(iter(self.plan.arms.values())).compute,
            experiment.quick.batch_size if quick else None,
            _sentences(measured.race),
        )
        is_whole = outcome.status in (Status.COMPLETED, Status.FAILED)
        questions = experiment.questions if is_whole else ()
        if questions:
            self.listener.progress("answering", 0, 0)
        return ExperimentResult(
            outcome=outcome,
            plan=self.plan,
            rows=table_of(self.plan, measured, self.counted),
            answers=answer(questions, ground),
            measured=measured,
            run_id=parent.id,
            run_name=parent.name,
            tracking_uri=self.store.uri,
        )

    def _measured(self, parent: Run) -> Measured:
        arms = {
            arm: [
                Recorded(self.store, row)
                for seed in range(self.plan.seeds)
                if (row := self.rows.get(f"{arm}, seed {seed}")) is not None and tested(row)
            ]
            for arm in self.plan.arms
        }
        races = [row for row in children_of(self.store, parent.id) if row.tags.get("kind") == RACE]
        if not races:
            return Measured(arms)
        race_row = races[-1]
        return Measured({**arms, **dict(self._entrants(race_row))}, race_row)

    def _entrants(self, race_row: RunRow) -> Iterator[tuple[str, list[Recorded]]]:
        for row in children_of(self.store, race_row.run_id):
            if tested(row):
                label = row.name.removeprefix(f"{race_row.name}-")
                yield label, [Recorded(self.store, row)]


def _sentences(race_row: RunRow | None) -> tuple[str, ...]:
    """Returns what a race found, from its description."""
    if race_row is None:
        return ()
    lines = race_row.tags.get(DESCRIPTION, "").splitlines()
    return tuple(line.removeprefix("- ") for line in lines if line.startswith("- "))
