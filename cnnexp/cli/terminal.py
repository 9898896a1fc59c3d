"""How a run looks on a terminal: a live bar where there is one, plain lines where there is none."""

from __future__ import annotations

import shlex
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from cnnexp.cli.tables import print_rows, print_table
from cnnexp.experiment.listener import Listener, RunFacts
from cnnexp.tracking.environment import without_passwords
from cnnexp.tracking.ui import is_server, run_page
from cnnexp.training.events import EpochReport, Status

if TYPE_CHECKING:
    from cnnexp.experiment.result import Result
    from cnnexp.experiment.seeds_record import SeedsResult
    from cnnexp.settings import TrackingSettings

REFRESH_SECONDS = 0.1  # between two updates of the bar: drawing costs more than a small step
LONG_SECONDS = 2.0  # a task that takes longer is told of where no bar can be seen


class Terminal(Listener):
    """Shows progress; silent with `quiet`, except for notes, which go to standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(quiet=quiet, soft_wrap=True, highlight=False)
        self._errors = Console(stderr=True, soft_wrap=True, highlight=False)
        self._live = self._console.is_terminal and not quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._since: dict[str, float | None] = {}  # when a slow task was first heard of; None: it was said
        self._facts: RunFacts | None = None
        self._last_refresh = 0.0
        self._epoch = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, markup: str) -> None:
        """Prints a line above the bars."""
        self._console.print(markup)

    def bar(self, name: str, done: int, total: int) -> None:
        """Moves a bar that stays until the end."""
        if self._live and name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        if self._live:
            self._progress.update(self._tasks[name], completed=done)

    def progress(self, task: str, done: int, total: int) -> None:
        """Moves the bar of a slow task; without a terminal it is said once, if it takes long.

        A task without a total is said at once: nobody knows how long it takes.
        """
        unfinished = done < total or not total
        if not self._live:
            since = self._since.setdefault(task, time.monotonic())
            is_long = since is not None and time.monotonic() - since > LONG_SECONDS
            if unfinished and since is not None and (is_long or not total):
                self._since[task] = None
                self._console.print(escape(f"{task} ..."))
            return
        if task not in self._tasks:
            self._tasks[task] = self._progress.add_task(escape(task), total=total or None)
        self._progress.update(self._tasks[task], completed=done, total=total or None, visible=unfinished)

    def note(self, sentence: str) -> None:
        """Says a sentence on standard error, once, also when quiet."""
        self._errors.print(f"[yellow]Note:[/] {escape(sentence)}")

    def started(self, facts: RunFacts) -> None:
        """Says what is trained on what."""
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()
        self._facts, self._epoch = facts, facts.first_epoch - 1
        train, val, test = facts.num_images
        model, dataset = escape(facts.model), escape(facts.dataset)
        self._console.print(
            f"[bold]{model}[/] ({facts.num_parameters:,} parameters) on [bold]{dataset}[/] "
            f"({facts.image}, {facts.num_classes} classes; {train:,} training, {val:,} validation, {test:,} "
            f"test images), {facts.device}, {facts.precision}"
        )
        self._console.print(f"run {escape(facts.run_name)} ({facts.run_id})")
        if self._live:
            self._tasks["epochs"] = self._progress.add_task(
                "epochs", total=facts.epochs, completed=self._epoch
            )
            self._tasks["steps"] = self._progress.add_task("steps", total=None)

    def batch(self, done: int, total: int) -> None:
        """Moves the bars, at most ten times a second."""
        now = time.monotonic()
        if not self._live or now - self._last_refresh < REFRESH_SECONDS:
            return
        self._last_refresh = now
        self._progress.update(self._tasks["steps"], completed=done, total=total)
        self._progress.update(self._tasks["epochs"], completed=self._epoch + done / total)

    def epoch(self, report: EpochReport) -> None:
        """Says the epoch's numbers in one line."""
        assert self._facts is not None
        self._epoch = report.epoch
        width = len(str(self._facts.epochs))
        self._console.print(
            f"epoch {report.epoch:>{width}}/{self._facts.epochs}  "
            f"train loss {report.train_loss:.4f} acc {report.train_accuracy:.4f}  "
            f"val loss {report.val_loss:.4f} acc {report.val_accuracy:.4f}  "
            f"{report.seconds:.1f} s{'  best' if report.is_best else ''}"
        )
        if self._live:
            self._progress.update(self._tasks["epochs"], completed=report.epoch)


def say_result(result: Result) -> None:
    """Prints how the run ended, what it found, where it is, and how to look at it or go on."""
    metrics = result.metrics
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    if result.outcome.status is not Status.COMPLETED:
        table.add_row(result.outcome.status.value, escape(result.outcome.reason))
    if "best/epoch" in metrics:
        table.add_row(
            "best epoch",
            f"{metrics['best/epoch']:.0f}: validation accuracy {metrics['best/val_accuracy']:.4f}, "
            f"loss {metrics['best/val_loss']:.4f}",
        )
    if "test/accuracy" in metrics:
        low, high = metrics["test/accuracy_low"], metrics["test/accuracy_high"]
        text = f"[bold]{metrics['test/accuracy']:.4f}[/]  (95 % interval {low:.4f} to {high:.4f})"
        table.add_row("test accuracy", text)
    table.add_row("run", escape(f"{result.run_name}  {result.run_id}"))
    table.add_row("store", escape(without_passwords(result.tracking_uri)))
    tracking = result.settings.tracking
    table.add_row("look", bold(completed("cnnexp ui", tracking, "experiment")))
    if result.outcome.status is Status.INTERRUPTED:
        table.add_row("go on", bold(completed(f"cnnexp train --resume {result.run_id[:8]}", tracking)))
    print_rows(table)
    if is_server(result.tracking_uri):  # not in the table, which would break a long address into lines
        address = without_passwords(result.tracking_uri).replace("***@", "")
        click.echo(run_page(address, result.experiment_id, result.run_id))


def say_seeds(result: SeedsResult) -> None:
    """Prints a table of the seeds, the sentence of their mean and spread, and how to look or go on."""
    from cnnexp.experiment.seeds_record import HEADER, rows_of, sentence_of

    print_table(HEADER, rows_of(result), right=HEADER[:-1])
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    if result.outcome.status is not Status.COMPLETED:
        table.add_row(result.outcome.status.value, escape(result.outcome.reason))
    if result.finished:
        table.add_row("found", bold(sentence_of(result)))
    table.add_row("run", escape(f"{result.run_name}  {result.run_id}"))
    table.add_row("store", escape(without_passwords(result.tracking_uri)))
    table.add_row("look", bold(completed("cnnexp ui", result.tracking, "experiment")))
    if result.outcome.status is not Status.COMPLETED:
        go_on = f"cnnexp train --resume {result.run_id[:8]}"
        table.add_row("go on", bold(completed(go_on, result.tracking)))
    print_rows(table)


def completed(command: str, tracking: TrackingSettings, *names: str) -> str:
    """Completes a command with the store, and those other settings, that it would not take by itself."""
    for name in ("tracking_uri", *names):
        value = getattr(tracking, name)
        if value != type(tracking).model_fields[name].default:
            command += f" --{name.replace('_', '-')} {shlex.quote(without_passwords(value))}"
    return command


def bold(text: str) -> str:
    """Returns text as it is, in bold."""
    return f"[bold]{escape(text)}[/]"
