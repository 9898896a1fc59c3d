"""One trial: candidate -> settings -> network -> runs in MLflow -> the value that counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

import optuna
import torch
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from cnnexp.errors import UserError
from cnnexp.experiment.assemble import Assembly, assemble
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.run import closed_truthfully
from cnnexp.experiment.trial import LoadedSets, Trained, run_trial
from cnnexp.models import layer_table
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import PARENT, Store
from cnnexp.training.events import TOTAL_SECONDS, EpochReport, Outcome, Status, training_seconds
from cnnexp.training.interrupt import Interrupt
from cnnexp.training.judges import Judge, best_of
from cnnexp.tuning.ledger import TrialRecord, record_of
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.pruning import is_running, pruning_judge, value_of
from cnnexp.tuning.sampler import derived_seed
from cnnexp.tuning.space import Params

_SEEDS_OF_TRAINING = 1_000_000  # apart from the seeds of proposals
_LATENCY_ROUNDS = 20
HOLD_SECONDS = 5.0  # between two requests with the epochs of a trial
# An objective's metric of a run; `seconds` are those of each epoch.
METRIC = {"val/accuracy": "best/val_accuracy", "val/loss": "best/val_loss", "seconds": TOTAL_SECONDS}
TRIAL_STATE = {
    Status.COMPLETED: "COMPLETE",
    Status.STOPPED_EARLY: "COMPLETE",
    Status.PRUNED: "PRUNED",
    Status.INTERRUPTED: "INTERRUPTED",
    Status.FAILED: "FAIL",
}


class FailedTrialError(Exception):
    """The trial ended without a result, for a reason of its own; the study goes on."""


class VoidTrialError(Exception):
    """The trial counts for nothing: interrupted, given up, or one too many."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trial before it is trained.

    Attributes:
        trial: of Optuna.
        record: place, owner and the like.
        params: what varies, active ones only.
        on_run: told of each run that is opened for it.
    """

    trial: Trial
    record: TrialRecord
    params: Params
    on_run: Callable[[Run], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trained candidate has to show.

    Attributes:
        values: of the objectives, in order.
        facts: parameters, MACs, seconds, ...
        run_id: of the last repeat's run.
        outcome: of the last repeat.
    """

    values: list[float]
    facts: dict[str, float]
    run_id: str
    outcome: Outcome


class Trainer:
    """Trains candidates of a study, one after the other, in this process.

    Args:
        plan: of the study.
        store: MLflow.
        storage: Optuna's.
        interrupt: asks for an end.
        machine: settings that this worker decides: threads, device.
        listener: hears of problems.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        storage: RDBStorage,
        *,
        interrupt: Interrupt,
        machine: Mapping[str, object],
        listener: Listener,
    ) -> None:
        self.plan, self.store, self.storage, self.interrupt = plan, store, storage, interrupt
        self.machine, self.listener = machine, listener
        self._sets = LoadedSets()

    def train(self, candidate: Candidate) -> Finding:
        """Trains a candidate with each of its seeds.

        Raises:
            TrialPruned: it was ended early, or was never trained, being too large or its images too small.
            FailedTrialError: a loss became nan, say.
            VoidTrialError: it was interrupted.
        """
        findings = [self._repeat(candidate, number) for number in range(self.plan.repeats)]
        means = [fmean(values) for values in zip(*(one.values for one in findings), strict=True)]
        return replace(findings[-1], values=means)

    def reuse(self, candidate: Candidate, earlier: FrozenTrial) -> Finding:
        """Takes over the result of an equal candidate; its run has the values and says whose they are.

        Raises:
            TrialPruned: the earlier one was pruned.
        """
        facts = record_of(earlier).facts or {}
        is_pruned = earlier.state == TrialState.PRUNED
        reason = f"the same candidate as trial {earlier.number}, whose result stands"
        outcome = Outcome(Status.PRUNED if is_pruned else Status.COMPLETED, reason)
        run = self._open_run(candidate, 0)
        with closed_truthfully(run):
            found = dict(zip(self.plan.objectives, earlier.values or (), strict=False))
            run.log_metrics(_as_metrics({**facts, **found}))
            run.set_tags({"trial_state": TRIAL_STATE[outcome.status], "reused": str(earlier.number)})
        run.finish(outcome)
        if is_pruned:
            raise optuna.TrialPruned(reason)
        return Finding(list(earlier.values), facts, run.id, outcome)

    def _repeat(self, candidate: Candidate, repeat: int) -> Finding:
        run = self._open_run(candidate, repeat)
        try:
            return self._attempt(candidate, repeat, run)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            batch_size = int(candidate.params.get("batch_size", self.plan.base.optimization.batch_size))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        half = max(1, batch_size // 2)
        self.listener.note(
            f"{run.name} ran out of memory with batches of {batch_size}; once more with {half}"
        )
        again = self._open_run(candidate, repeat, retry_of=run.id, batch_size=half)
        return self._attempt(candidate, repeat, again, batch_size=half)

    def _attempt(self, candidate: Candidate, repeat: int, run: Run, **changed: object) -> Finding:
        plan, trial = self.plan, candidate.trial
        judges: tuple[Judge, ...] = ()
        if plan.is_pruned and repeat == 0:
            epochs = int(candidate.params.get("epochs", plan.base.training.epochs))
            judges = (pruning_judge(trial, plan.objectives[0], epochs=epochs),)
        rejected = ""
        with closed_truthfully(run):
            try:
                assembly = self._assembled(candidate, repeat, changed)
                facts = self._facts(trial, assembly)
            except UserError as error:
                rejected = f"never trained: {error}"
            else:
                trained = run_trial(
                    run, assembly, interrupt=self.interrupt, judges=judges, listener=self.listener
                )
        if rejected:
            run.set_tags({"trial_state": "PRUNED"})
            run.finish(Outcome(Status.PRUNED, rejected))
            raise optuna.TrialPruned(rejected)
        return self._closed(candidate, run, assembly, trained, facts)

    def _closed(
        self, candidate: Candidate, run: Run, assembly: Assembly, trained: Trained, facts: dict[str, float]
    ) -> Finding:
        """Closes the run with the truth and returns what it found.

        Raises:
            TrialPruned, FailedTrialError, VoidTrialError: as it ended.
        """
        outcome, best = trained.outcome, best_of(trained.history)
        if best is not None and "latency_ms" in self.plan.objectives:
            facts = facts | {"latency_ms": latency_ms(assembly)}
        if not is_running(self.storage, candidate.trial):
            outcome = Outcome(Status.INTERRUPTED, "the study has given up this trial: its worker was silent")
        run.log_metrics(_as_metrics(facts))
        facts = facts | {"seconds": training_seconds(trained.history)}  # logged with the epochs
        if best is not None:
            facts["best_epoch"] = best.epoch
        run.set_tags({"trial_state": TRIAL_STATE[outcome.status]})
        run.finish(outcome)
        if outcome.status is Status.INTERRUPTED:
            raise VoidTrialError(outcome.reason)
        if outcome.status is Status.PRUNED:
            raise optuna.TrialPruned(outcome.reason)
        if outcome.status is Status.FAILED or best is None:
            raise FailedTrialError(outcome.reason)
        values = [self._value(one, best, facts) for one in self.plan.objectives]
        return Finding(values, facts, run.id, outcome)

    def _value(self, objective: str, best: EpochReport, facts: dict[str, float]) -> float:
        return facts[objective] if objective in facts else value_of(best, objective)

    def _facts(self, trial: Trial, assembly: Assembly) -> dict[str, float]:
        """Returns the network's size, which is known before training, and refuses one that is too large.

        Raises:
            UserError: it has more parameters or MACs than the study allows.
        """
        table = layer_table(assembly.torch_network, assembly.dataset.spec)
        facts = {"parameters": float(table.parameters), "macs": float(table.macs)}
        limits = {"parameters": self.plan.max_parameters, "macs": self.plan.max_macs}
        for name, limit in limits.items():
            if limit is not None:
                trial.set_constraint(name, facts[name] - limit)
        for name, limit in limits.items():
            if limit is not None and facts[name] > limit:
                raise UserError(f"{facts[name]:,.0f} {name}, more than the {limit:,} allowed")
        return facts

    def _assembled(self, candidate: Candidate, repeat: int, changed: Mapping[str, object]) -> Assembly:
        seed = self._seed(candidate.record, repeat)
        asked = self.plan.settings_of(candidate.params, seed=seed).replace(**changed)
        settings = self.plan.settings_of(candidate.params, seed=seed, **self.machine).replace(**changed)
        # What the data set has to say was said by the first assembly, before the study began.
        assembly = assemble(settings, Listener(), load=self._sets.load)
        return replace(assembly, asked=asked)  # threads and device are the worker's, not chosen

    def params_of(self, record: TrialRecord, params: Params, repeat: int = 0) -> dict[str, object]:
        """Returns what a trial's run has as params."""
        return self.plan.logged(params) | {"seed": self._seed(record, repeat)}

    def _seed(self, record: TrialRecord, repeat: int) -> int:
        study_seed = self.plan.base.training.seed
        if self.plan.is_sweep:  # cells are compared on equal seeds
            return study_seed + record.repeat
        return derived_seed(study_seed, _SEEDS_OF_TRAINING + record.place, record.repeat + repeat)

    def _open_run(self, candidate: Candidate, repeat: int, *, retry_of: str = "", **changed: object) -> Run:
        plan, record, number = self.plan, candidate.record, candidate.trial.number
        tags = {
            PARENT: plan.parent_run,
            "kind": "trial",
            "study": plan.name,
            "trial_number": str(number),
            "trial_state": "RUNNING",
        }
        if retry_of or record.retry_of is not None:
            tags["retry_of"] = retry_of or str(record.retry_of)
        name = f"{candidate.params.get('model', plan.base.network.model)}-t{number:03d}"
        name += f"-{repeat + 1}" if plan.repeats > 1 else ""
        run = self.store.create_run(
            plan.experiment_id,
            run_name=name,
            tags=tags,
            on_problem=self.listener.note,
            hold=HOLD_SECONDS,
        )
        candidate.on_run(run)
        run.log_params(self.params_of(record, candidate.params, repeat) | changed)
        return run


def latency_ms(assembly: Assembly) -> float:
    """Returns the median time of one image through the network, in milliseconds, on the run's device."""
    network, device = assembly.network.eval(), assembly.compute.device
    image = torch.zeros(1, *assembly.dataset.spec.shape, device=device)
    times = []
    with torch.inference_mode():
        for _ in range(_LATENCY_ROUNDS):
            begin = time.perf_counter()
            network(image)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(1000 * (time.perf_counter() - begin))
    return sorted(times)[len(times) // 2]


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether memory ran out, on a device or in the process."""
    text = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "not enough memory" in text)
    )


def _as_metrics(facts: Mapping[str, float]) -> dict[str, float]:
    """Returns facts under their names in MLflow; an earlier trial's best epoch stays its own."""
    return {METRIC.get(name, name): value for name, value in facts.items() if name != "best_epoch"}
