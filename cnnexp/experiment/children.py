"""Runs that belong together: children of one parent run, trained one after the other.

What is finished is not trained again, and what was interrupted goes on: the same children, run again under
the same parent, end as if they had never been stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cnnexp.errors import TrackingError
from cnnexp.experiment.assemble import Load
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.names import CHILD
from cnnexp.experiment.run import run_experiment
from cnnexp.experiment.trial import LoadedSets
from cnnexp.settings import Settings
from cnnexp.tracking.rows import children_of, read_row
from cnnexp.tracking.run import Run
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import PARENT, Store
from cnnexp.training.checkpoint import LAST
from cnnexp.training.interrupt import Interrupt


@dataclass(frozen=True, slots=True)
class Child:
    """One training of several.

    Attributes:
        key: tells it from its siblings, in words: `seed 3`, `lenet, seed 3`.
        settings: of its run; `run_name` is the run's name.
    """

    key: str
    settings: Settings


def run_children(
    parent: Run,
    children: Sequence[Child],
    *,
    store: Store,
    listener: Listener,
    load: Load | None = None,
    interrupt: Interrupt | None = None,
) -> Iterator[RunRow]:
    """Trains each child and yields its run when it has ended; one that has finished before is only read.

    It ends after the first that was interrupted. Children of one data set load it once.

    Args:
        parent: run that they are children of.
        children: in order.
        store: that the runs are in.
        listener: hears of progress.
        load: returns the data set, where one is loaded already.
        interrupt: asks for the end of all, where the caller listens to signals.

    Raises:
        UserError: a child's input cannot work.
    """
    before = {row.tags[CHILD]: row for row in children_of(store, parent.id) if CHILD in row.tags}
    load = load or LoadedSets().load
    for child in children:
        if interrupt is not None and interrupt.reason is not None:
            return
        row = before.get(child.key)
        if row is None or row.status != "FINISHED":
            result = run_experiment(
                child.settings,
                listener=listener,
                resume=row.run_id if row is not None and can_go_on(store, row) else None,
                store=store,
                tags={PARENT: parent.id, CHILD: child.key},
                load=load,
                interrupt=interrupt,
            )
            row = read_row(store, result.run_id)
        yield row
        if row.outcome == "interrupted":
            return


def can_go_on(store: Store, row: RunRow) -> bool:
    """Tells whether a run that did not finish left a checkpoint to go on from."""
    with suppress(TrackingError):
        return store.fetch(row.run_id, LAST).is_file()
    return False
