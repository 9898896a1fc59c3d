"""Carries one run's operations to the store, and keeps those that did not arrive.

Training never waits for a store that is away: after the first failure nothing is tried until the end, and
what was not sent lies in `unsent.jsonl` beside the run's files, one operation a line, in order.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.tracking.opening import brief
from cnnexp.tracking.operations import TRIED, Operation, Target, perform

if TYPE_CHECKING:
    from mlflow import MlflowClient

UNSENT = "unsent.jsonl"
_LARGE_BATCH = 500  # metrics; MLflow takes 1,000 at a time, and 100 tags


class Delivery:
    """Sends operations in order.

    Args:
        client: the store.
        target: the run they belong to.
        on_problem: told one sentence when the store fails first, and one when the disk does.
        hold: seconds for which params, metrics and tags are gathered into one request: a request costs
            10 ms on sqlite and ten times that on a server, and short trials make many.
    """

    def __init__(
        self, client: MlflowClient, target: Target, on_problem: Callable[[str], None], *, hold: float = 0.0
    ) -> None:
        self._client = client
        self._target = target
        self._on_problem = on_problem
        self._told: set[str] = set()
        self._folder = target.folder
        self._file = target.folder / UNSENT
        self._has_kept = False  # by this process; the disk may have refused it
        self._unsent: list[Operation] = read_unsent(self._file)
        self._away = False
        self._hold = hold
        self._sent = time.monotonic()
        self._gathered: Operation | None = None
        self.sent: Counter[str] = Counter()  # operations by kind
        self.problem = ""  # the last one, in somebody else's words

    @property
    def left(self) -> int:
        """How many operations wait to be sent."""
        return len(self._unsent)

    @property
    def is_complete(self) -> bool:
        """True where nothing waits to be sent."""
        return not self._unsent

    @property
    def has_end(self) -> bool:
        """True where the run's end is among what waits: its process has ended as it should."""
        return self.end_time is not None

    @property
    def end_time(self) -> int | None:
        """When the run ended, in ms, where its end is among what waits."""
        return next((one["time"] for one in reversed(self._unsent) if one["kind"] == "end"), None)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from sending what is left of this run, and knows what they have sent."""
        from filelock import FileLock

        if not self._folder.is_dir():
            yield
            return
        lock = FileLock(self._folder.with_name(f"{self._folder.name}.lock"))
        try:
            lock.acquire()
        except (OSError, NotImplementedError):  # a disk that is full, read-only, or cannot lock
            yield
            return
        try:
            if not self._has_kept:
                self._unsent = read_unsent(self._file)
            yield
        finally:
            if self.is_complete:  # who waits for this file finds nothing to send
                Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def send(self, kind: str, **arguments: object) -> Operation | None:
        """Sends one operation, or keeps it for the end; never raises for a store that fails.

        Returns:
            The operation, completed with what the store answered; None where it was not delivered.
        """
        operation: Operation = {"kind": kind, **arguments}
        if self._hold and kind == "batch":
            return self._gather(operation)
        self._send_gathered()
        return self._send(operation)

    def _gather(self, operation: Operation) -> Operation:
        """Adds a batch to the one that waits, which is sent when it is old or large enough."""
        waiting = self._gathered or {"kind": "batch", "metrics": [], "params": {}, "tags": {}}
        waiting["metrics"] += operation.get("metrics", [])
        waiting["params"] |= operation.get("params", {})
        waiting["tags"] |= operation.get("tags", {})
        self._gathered = waiting
        is_large = max(len(waiting["metrics"]), 10 * len(waiting["tags"])) >= _LARGE_BATCH
        if is_large or time.monotonic() - self._sent >= self._hold:
            self._send_gathered()
        return operation

    def _send_gathered(self) -> None:
        if self._gathered is not None:
            operation, self._gathered = self._gathered, None
            self._send(operation)
            self._sent = time.monotonic()

    def _send(self, operation: Operation) -> Operation | None:
        if not self._away and self._try(operation):
            return operation
        self._keep(operation)
        return None

    def deliver_backlog(self, *, skip: tuple[str, ...] = ()) -> None:
        """Tries once to send what is left, in order; stops at the first that finds the store away.

        Args:
            skip: kinds that are dropped: a run that goes on must not be ended by its past.
        """
        self._send_gathered()
        waiting = [operation for operation in self._unsent if operation["kind"] not in skip]
        if not self._unsent:
            return
        self._away, left = False, []
        for operation in waiting:
            if self._away or not self._try(operation):
                left.append(operation)
        self._unsent = left
        self.guard_disk(lambda: _write(self._file, left))

    def guard_disk(self, write: Callable[[], object]) -> bool:
        """Writes to the disk; a full one is said once and does not stop the training."""
        try:
            write()
        except OSError as error:
            self.tell("disk", f"a file of the run could not be written ({brief(error)}); training goes on.")
            return False
        return True

    def tell(self, topic: str, sentence: str) -> None:
        """Tells the user, once per topic."""
        if topic not in self._told:
            self._told.add(topic)
            self._on_problem(sentence)

    def _try(self, operation: Operation) -> bool:
        try:
            perform(self._client, self._target, operation)
        except Exception as error:  # MLflow lets through what its stores, requests and the disk raise
            self._away, self.problem = not _is_refusal(error), brief(error)
            where = f"what was not sent is kept in {self._file}"
            self.tell("store", f"tracking failed ({brief(error)}); training goes on, and {where}.")
            return False
        self.sent[operation["kind"]] += 1
        return True

    def _keep(self, operation: Operation) -> None:
        self._has_kept = operation[TRIED] = True
        if operation["kind"] == "artifact" and operation in self._unsent:
            return  # a file is sent as it then is: once is enough
        self._unsent.append(operation)
        self.guard_disk(lambda: _append(self._file, operation))


def _is_refusal(error: Exception) -> bool:
    """True where the store is there and will never take this operation: waiting would not help."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, FileNotFoundError):  # a file of ours that is gone
        return True
    if not isinstance(error, MlflowException):
        return False
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call] # MLflow left it out
    return 400 <= status < 500 and status not in (408, 429)  # noqa: PLR2004 - client errors, but for "later"


def read_unsent(file: Path) -> list[Operation]:
    """Returns the operations that a file holds; none where there is no file."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:  # none: the common case
        return []
    found: list[Operation] = []
    for line in lines:
        with suppress(json.JSONDecodeError):  # a full disk leaves half a line, which was told
            found.append(json.loads(line))
    return found


def _append(file: Path, operation: Operation) -> None:
    """Adds a line; behind half a line it begins a new one."""
    with file.open("a+b") as stream:
        size = stream.tell()
        stream.seek(max(0, size - 1))
        torn = b"\n" if size and stream.read(1) != b"\n" else b""
        stream.write(torn + json.dumps(operation).encode() + b"\n")


def _write(file: Path, operations: list[Operation]) -> None:
    if not operations:
        file.unlink(missing_ok=True)
        return
    part = file.with_name(f"{file.name}.part")
    part.write_text("".join(json.dumps(operation) + "\n" for operation in operations), encoding="utf-8")
    part.replace(file)
