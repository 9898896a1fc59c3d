"""A bar on standard error, so that what a command prints can be piped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Bar:
    """One bar; lines that are said stand above it."""

    def __init__(self, shown: Progress, console: Console) -> None:
        self._shown, self._console, self._task = shown, console, TaskID(-1)

    def progress(self, task: str, done: int, total: int) -> None:
        """Moves the bar; a `cnnexp.progress.Progress`."""
        if self._task < 0:
            self._task = self._shown.add_task(escape(task), total=total)
        self._shown.update(self._task, completed=done)

    def say(self, text: str) -> None:
        """Prints a line on standard error."""
        self._console.print(escape(text))


@contextmanager
def bar(*, hidden: bool = False) -> Iterator[Bar]:
    """Shows a bar where standard error is a terminal, unless it is hidden."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # rich would send what is printed to standard output, piped or not, to the bar's stream.
    shown = Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=hidden or not console.is_terminal,
    )
    with shown:
        yield Bar(shown, console)
