from __future__ import annotations

from typing import Any

import pytest

from cnnexp.experiment.children import Child, run_children
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.names import CHILD
from cnnexp.settings import Settings
from cnnexp.tracking.rows import children_of
from cnnexp.tracking.store import Store, open_store
from cnnexp.training.events import EpochReport, Outcome, Status

TINY: dict[str, Any] = {"epochs": 2, "fraction": 0.2, "figures": "none", "log_model": False, "threads": 1}


class Crash(BaseException):
    pass


class CrashAfter(Listener):
    """Ends the process's training like a crash, after so many epochs of all."""

    def __init__(self, count: int) -> None:
        self.count = count

    def epoch(self, report: EpochReport) -> None:  # noqa: ARG002 - the listener's signature
        self.count -= 1
        if self.count == 0:
            raise Crash


def children() -> list[Child]:
    return [
        Child(f"seed {seed}", Settings().replace(**TINY, seed=seed, run_name=f"r-{seed}")) for seed in (0, 1)
    ]


def accuracies(store: Store, listener: Listener, parent_id: str | None = None) -> tuple[str, list[float]]:
    """Trains the children under a new parent, or under one that there is."""
    parent = (
        store.create_run(store.experiment_id("cnnexp"), tags={"kind": "seeds"})
        if parent_id is None
        else store.reopen_run(parent_id)
    )
    try:
        rows = list(run_children(parent, children(), store=store, listener=listener))
    except Crash:
        parent.finish(Outcome(Status.FAILED, "crash"))
        return parent.id, []
    parent.finish(Outcome(Status.COMPLETED, "done"))
    return parent.id, [row.metrics["test/accuracy"] for row in rows]


@pytest.mark.parametrize("epochs_done", [1, 2, 3])
def test_children_that_were_stopped_go_on_and_end_as_if_they_had_not_been(
    ready_store: str, epochs_done: int
) -> None:
    store = open_store(ready_store)
    _, undisturbed = accuracies(store, Listener())
    parent, nothing = accuracies(store, CrashAfter(epochs_done))
    assert not nothing
    same, found = accuracies(store, Listener(), parent)
    assert found == undisturbed
    rows = children_of(store, same)
    assert {row.tags[CHILD]: row.status for row in rows} == {"seed 0": "FINISHED", "seed 1": "FINISHED"}
    assert len(rows) == 2
