"""Worker processes of this machine: started together, replaced when they die, ended together."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import torch

from cnnexp.experiment.listener import Listener
from cnnexp.plugins import load_plugin
from cnnexp.process import worker_context
from cnnexp.settings import ComputeSettings
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.storage import StudyError

if TYPE_CHECKING:
    from cnnexp.training.interrupt import Interrupt

POLL_SECONDS = 0.2
END_SECONDS = 8.0  # that interrupted workers have to close their runs
TRIALS_PER_WORKER = 5  # at least: of 40 trials, a sampler should not choose more than 8 without knowing
_DEATHS_PER_WORKER = 3
_SMALL_NETWORK_MACS = 50_000_000  # per image; below, a thread each beats all threads for one


@dataclass(frozen=True, slots=True)
class Jobs:
    """How the machine is shared out.

    Attributes:
        machines: of each worker its settings: threads, device.
        why: the choice, as a sentence.
    """

    machines: tuple[Mapping[str, object], ...]
    why: str

    def __len__(self) -> int:
        return len(self.machines)


def share_out(asked: int | None, *, trials: int, macs: int, device: str, compute: ComputeSettings) -> Jobs:
    """Chooses how many workers there are, and what each may use.

    Args:
        asked: number of workers; None: chosen.
        trials: of the study; a sampler learns little while too many run at once.
        macs: of the default network, per image.
        device: that the runs use, resolved.
        compute: what was asked for: one GPU by its number, or any; so many CPU threads, or all.
    """
    if device.startswith("cuda"):
        named = ":" in compute.device  # this one, and no other
        gpus = [device] if named else [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        jobs = asked or min(len(gpus), trials)
        machines = tuple({"device": gpus[number % len(gpus)]} for number in range(jobs))
        return Jobs(machines, f"{jobs} worker{'s'[: jobs > 1]} on {', '.join(gpus)}")
    if device != "cpu":
        jobs = asked or 1
        return Jobs(tuple({} for _ in range(jobs)), f"{jobs} worker{'s'[: jobs > 1]} on {device}")
    cores = compute.threads or os.cpu_count() or 1
    chosen = min(cores, max(1, trials // TRIALS_PER_WORKER)) if macs < _SMALL_NETWORK_MACS else 1
    jobs = asked or chosen
    each = max(1, cores // jobs)
    why = f"{jobs} worker{'s'[: jobs > 1]}, {each} of {cores} CPU threads each"
    return Jobs(tuple({"threads": each} for _ in range(jobs)), why)


def run_workers(
    plan: Plan, jobs: Jobs, *, interrupt: Interrupt, listener: Listener, on_tick: Callable[[], bool]
) -> None:
    """Runs workers until the study is over.

    Args:
        plan: of the study.
        jobs: the workers.
        interrupt: asks for an end; workers get a SIGTERM.
        listener: hears of workers that die.
        on_tick: called several times a second; returns True when the study is over.

    Raises:
        StudyError: workers die again and again.
    """
    made = worker_context()
    pool = [_started(made, plan, machine) for machine in jobs.machines]
    deaths = 0
    try:
        while any(process.is_alive() for process in pool) and interrupt.reason is None:
            time.sleep(POLL_SECONDS)
            is_over = on_tick()
            for place, process in enumerate(pool):
                if process.exitcode in (None, 0) or is_over:
                    continue
                deaths += 1
                listener.note(f"a worker died ({_how(process.exitcode)}); its trial is tried once more")
                if deaths > _DEATHS_PER_WORKER * len(pool):
                    raise StudyError(f"{deaths} workers have died; look at the notes above for the reason.")
                pool[place] = _started(made, plan, jobs.machines[place])
            if is_over:
                break
    finally:
        _end(pool)


def _started(made: BaseContext, plan: Plan, machine: Mapping[str, object]) -> BaseProcess:
    process: BaseProcess = made.Process(  # type: ignore[attr-defined]  # every context has one
        target=work,
        args=(plan, dict(machine)),
        daemon=False,  # it may need processes that decode images
    )
    process.start()
    return process


def work(plan: Plan, machine: Mapping[str, object]) -> None:
    """Works on a study in this process until it is over; the target of worker processes."""
    from cnnexp.training.interrupt import Interrupt

    for plugin in plan.base.plugins.plugin:
        load_plugin(plugin)
    with Interrupt(parent=os.getppid()) as interrupt:
        work_here(plan, machine, interrupt=interrupt, listener=Spoken())


def work_here(
    plan: Plan,
    machine: Mapping[str, object],
    *,
    interrupt: Interrupt,
    listener: Listener,
    on_trial: Callable[[], None] = lambda: None,
) -> None:
    """Works on a study in this process until it is over or interrupted.

    Args:
        plan: of the study.
        machine: settings that this worker decides: threads, device.
        interrupt: asks for an end between two batches.
        listener: hears of problems.
        on_trial: called after each trial.
    """
    from cnnexp.tuning.cell_worker import CellWorker
    from cnnexp.tuning.worker import Worker

    kind = CellWorker if plan.is_sweep else Worker
    kind(plan, interrupt=interrupt, machine=machine, listener=listener, on_trial=on_trial).work()


class Spoken(Listener):
    """Says what a worker has to say where its process does: on standard error."""

    def note(self, sentence: str) -> None:
        """Writes a line."""
        sys.stderr.write(f"Note: {sentence}\n")


def _end(pool: list[BaseProcess]) -> None:
    """Ends what still runs: asked first, then killed; a frozen process hears nothing else."""
    deadline = time.monotonic() + END_SECONDS
    for process in pool:
        if process.is_alive():
            process.terminate()
    for process in pool:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _how(exit_code: int | None) -> str:
    return f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"
