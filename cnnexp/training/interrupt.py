"""Ctrl-C and SIGTERM as a flag that the loop reads between two batches."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None


class Interrupt:
    """While active, the first signal asks the loop to end; a second Ctrl-C ends at once.

    Args:
        parent: process id of the one that started this; when it is gone, that asks for the end too. `mlflow
            run` needs it: killed by SIGTERM, it leaves its entry point running as an orphan.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, *, parent: int | None = None) -> None:
        self._reason: str | None = None
        self._parent = parent
        self._previous: dict[signal.Signals, Handler] = {}

    @property
    def reason(self) -> str | None:
        """Why to end (`Ctrl-C`, `SIGTERM`, ...), or None."""
        if self._reason is None and self._parent is not None and os.getppid() != self._parent:
            self._reason = "the parent process ended"
        return self._reason

    def ask(self, reason: str) -> None:
        """Asks for the end, as a signal would; the first reason stays."""
        self._reason = self._reason or reason

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python refuses handlers
            for number in self.SIGNALS:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._reason is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._reason = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
