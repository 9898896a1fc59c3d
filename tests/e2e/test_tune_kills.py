"""Studies whose workers are killed, frozen, interrupted: exact in the end, on sqlite and on PostgreSQL."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres_server
from tests.e2e.studies import (
    Hold,
    check_exact,
    children,
    counted,
    finished,
    is_finished,
    num_finished,
    parent,
    record,
    runs_of,
    trials_of,
    tune,
    wait_for,
    write_model,
)
from tests.warm import finish, start

TRIALS = 9
WORKERS = 4
HEARTBEAT = "3"  # seconds; three missing ones are the end: with 1 a loaded machine buries the living
STORAGES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]


@pytest.fixture
def storage(request: pytest.FixtureRequest, ready_store: str, tmp_path: Path) -> Iterator[str]:  # noqa: ARG001 - made
    """URL of an empty database."""
    write_model()
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path}/optuna.db"
    else:
        yield postgres_server.new_database(request.getfixturevalue("postgres"))


def command(storage: str, *options: str) -> list[str]:
    jobs = ["--jobs", str(WORKERS), "--trials", str(TRIALS)]
    return tune(*jobs, "--space", "width", "--space", "lr", "--storage", storage, *options)


@pytest.mark.parametrize("storage", STORAGES, indirect=True)
def test_a_killed_worker_costs_no_trial_and_its_own_is_tried_once_more(storage: str) -> None:
    hold = Hold()
    process = start(command(storage))
    victim = hold.wait(WORKERS, process)[0]
    os.kill(victim, signal.SIGKILL)
    hold.release()
    output = finish(process)
    assert process.returncode == 0, output
    assert "a worker died (signal 9); its trial is tried once more" in output
    check_exact(storage, TRIALS)
    (dead,) = [one for one in trials_of(storage) if record(one).get("pid") == victim]
    (killed,) = [run for run in runs_of() if run.info.status == "KILLED"]
    assert killed.info.run_id == record(dead)["run_id"]
    assert killed.data.tags["cnnexp.reason"] == "its worker died"
    (again,) = [run for run in children() if "retry_of" in run.data.tags]
    assert again.data.tags["retry_of"] == str(dead.number)
    assert again.data.params == killed.data.params
    assert again.info.status == "FINISHED"


@pytest.mark.parametrize("storage", STORAGES, indirect=True)
def test_a_study_that_was_killed_as_a_whole_is_finished_by_the_same_command(storage: str) -> None:
    hold = Hold(from_trial=2)
    process = start(command(storage), cold="sqlite" in storage)  # as a user starts it, on one of the two
    hold.wait(WORKERS, process)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    hold.release()
    before = counted(storage)
    assert 0 < len(before) < TRIALS
    assert {run.info.status for run in runs_of()} == {"FINISHED", "RUNNING"}
    output = finished(command(storage))
    assert f"{len(before)} of {TRIALS} trials are finished already" in output
    check_exact(storage, TRIALS)
    assert counted(storage)[: len(before)] == before
    assert sum("retry_of" in run.data.tags for run in children()) == WORKERS


@pytest.mark.parametrize("storage", STORAGES, indirect=True)
def test_frozen_workers_are_given_up_and_do_no_harm_whether_they_wake_or_not(storage: str) -> None:
    """One wakes while the others train, one stays frozen and is killed at the end."""
    hold = Hold()
    process = start(command(storage, "--heartbeat", HEARTBEAT))
    waking, sleeping = hold.wait(WORKERS, process)[:2]
    for victim in (waking, sleeping):
        _freeze(victim, storage)
    hold.release()
    numbers = {one.number for one in trials_of(storage) if record(one).get("pid") in {waking, sleeping}}
    # The others train all the rest meanwhile, and wait for these.
    wait_for(lambda: all(is_finished(storage, one) for one in numbers), process, every=0.5)  # a look is dear
    os.kill(waking, signal.SIGCONT)
    output = finish(process)
    assert process.returncode == 0, output
    check_exact(storage, TRIALS)
    assert {trials_of(storage)[number].state.name for number in numbers} == {"FAIL"}
    again = {run.data.tags["retry_of"] for run in children() if "retry_of" in run.data.tags}
    assert again == {str(number) for number in numbers}
    with pytest.raises(ProcessLookupError):
        os.kill(sleeping, 0)


def test_ctrl_c_ends_within_seconds_and_the_same_command_goes_on(storage: str) -> None:
    hold = Hold(from_trial=2)
    process = start(command(storage))
    hold.wait(WORKERS, process)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    hold.release()
    output = finish(process)
    assert time.monotonic() - begin < 20, output  # a few seconds where nobody else computes
    assert process.returncode == 130, output
    assert "Traceback" not in output
    before = num_finished(storage)
    assert 0 < before < TRIALS
    assert f"Ctrl-C; {before} of {TRIALS} trials are finished" in output
    assert parent().info.status == "KILLED"
    statuses = [run.info.status for run in children()]
    assert statuses.count("KILLED") == WORKERS
    assert statuses.count("FINISHED") == before
    assert {run.data.tags["trial_state"] for run in children()} <= {"COMPLETE", "PRUNED", "INTERRUPTED"}
    finished(command(storage))
    check_exact(storage, TRIALS)


def test_two_commands_at_once_on_a_fresh_store_join_one_study(storage: str) -> None:
    hold = Hold()
    alone = tune("--jobs", "1", "--trials", "6", "--space", "width", "--space", "lr", "--storage", storage)
    both = [start(alone) for _ in range(2)]
    hold.wait(2, both[0])
    hold.release()
    outputs = [finish(process) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    check_exact(storage, 6)
    workers = {record(trial).get("pid") for trial in trials_of(storage)}
    assert len(workers - {None}) == 2  # None: asked for at once by both, and one too many


def _freeze(victim: int, storage: str) -> None:
    """Stops a process, but not while it holds the lock of a sqlite file: nobody could write any more."""
    while True:
        os.kill(victim, signal.SIGSTOP)
        if not storage.startswith("sqlite"):
            return
        try:
            with sqlite3.connect(storage.removeprefix("sqlite:///"), timeout=1) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
        except sqlite3.OperationalError:
            os.kill(victim, signal.SIGCONT)
        else:
            return
