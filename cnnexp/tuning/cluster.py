"""Workers on a Dask cluster: N copies of the one worker loop, each joining the study by its storage."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cnnexp.experiment.listener import Listener
from cnnexp.plugins import load_plugin
from cnnexp.training.interrupt import Interrupt
from cnnexp.tuning import pool
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.storage import StudyError

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 8


def run_on_cluster(
    plan: Plan,
    machines: tuple[Mapping[str, object], ...],
    *,
    address: str | None,
    interrupt: Interrupt,
    listener: Listener,
    on_tick: Callable[[], bool],
) -> None:
    """Runs workers on a cluster until the study is over.

    Args:
        plan: of the study; its storage and its MLflow store must be reachable from the cluster.
        machines: of each worker its settings.
        address: of the scheduler; None: a cluster of processes on this machine.
        interrupt: asks for an end.
        listener: hears of workers that fail.
        on_tick: called several times a second; returns True when the study is over.

    Raises:
        StudyError: Dask is missing, or the scheduler does not answer.
    """
    with _client(address, len(machines)) as client:
        from distributed import Event

        stop = f"cnnexp-{plan.name}-{uuid.uuid4().hex[:8]}"
        # Not pure and never retried: a worker that is run again must not believe to be another's result.
        futures = [client.submit(work, plan, dict(one), stop, pure=False, retries=0) for one in machines]
        try:
            while not all(one.done() for one in futures) and interrupt.reason is None:
                time.sleep(pool.POLL_SECONDS)
                if on_tick():
                    break
        finally:
            Event(stop, client=client).set()
            deadline = time.monotonic() + pool.END_SECONDS
            while not all(one.done() for one in futures) and time.monotonic() < deadline:
                time.sleep(pool.POLL_SECONDS)
        for error in filter(None, (one.exception() for one in futures if one.status == "error")):
            listener.note(f"a worker of the cluster failed: {error}")


def work(plan: Plan, machine: Mapping[str, object], stop: str) -> None:
    """Works on a study until it is over, or until the event of that name is set; runs on the cluster."""
    from distributed import Event, get_client

    for plugin in plan.base.plugins.plugin:
        load_plugin(plugin)
    with Interrupt() as interrupt:
        event = Event(stop, client=get_client())
        watcher = threading.Thread(target=_watch, args=(event, interrupt), daemon=True)
        watcher.start()
        pool.work_here(plan, machine, interrupt=interrupt, listener=pool.Spoken())


def _watch(event: Any, interrupt: Interrupt) -> None:  # noqa: ANN401 - distributed ships no types
    if event.wait():
        interrupt.ask("the study was stopped")


@contextmanager
def _client(address: str | None, workers: int) -> Iterator[Client]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise StudyError("--engine dask needs a package: pip install 'cnnexp[dask]'.") from error
    if address is None:
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                silence_logs=logging.ERROR,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"the Dask scheduler {address!r} does not answer ({error}); start it, or leave --cluster out for "
            "a cluster on this machine."
        ) from error
    with client:
        yield client
