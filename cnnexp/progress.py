"""How slow work tells how far it is; the terminal decides how that looks."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with what is done, how much of it, and of how much (0 where that is not known)."""

    def __call__(self, task: str, done: int, total: int) -> None:
        """Hears that a task is so far."""
        ...


def silent(task: str, done: int, total: int) -> None:
    """Shows nothing."""
