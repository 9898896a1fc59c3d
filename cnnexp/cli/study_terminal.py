"""How a study looks on a terminal: a bar of trials where there is one, a line per trial everywhere."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from cnnexp.cli.tables import print_rows
from cnnexp.cli.terminal import Terminal, bold, completed
from cnnexp.experiment.listener import RunFacts
from cnnexp.tracking.environment import without_passwords
from cnnexp.tracking.ui import is_server, ui_page
from cnnexp.tracking.views import study_view
from cnnexp.training.events import EpochReport, Status
from cnnexp.tuning.listener import StudyFacts, StudyListener, TrialFacts
from cnnexp.tuning.report import improvement_sentence

if TYPE_CHECKING:
    from cnnexp.tuning.result import StudyResult

COUNTS = ("parameters", "macs")
WORDS = {"COMPLETE": "", "PRUNED": "pruned", "FAIL": "failed"}


class StudyTerminal(Terminal, StudyListener):
    """Shows a study; epochs of single trials are not shown."""

    kind, done = "study", "searched"

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._wanted = 0
        self._objectives: tuple[str, ...] = ()
        self._refits = False

    def study_started(self, facts: StudyFacts) -> None:
        """Says what is searched, where and by whom."""
        self._wanted, self._objectives = facts.wanted, facts.objectives
        ranges = {name.partition(".")[0]: text for name, text in facts.space.items()}  # of layers once
        space = ", ".join(f"{name} {text}" for name, text in ranges.items())
        count = f"{facts.wanted} trials" if facts.wanted > 1 else "1 trial"
        how = f"{facts.what}, {count}, {facts.workers}"
        self.say(f"{self.kind} [bold]{escape(facts.name)}[/]: {escape(how)}")
        self.say(f"{self.done}: {escape(space)}")
        if facts.finished:
            self.say(f"{facts.finished} of {facts.wanted} trials are finished already")
        self.bar("trials", facts.finished, facts.wanted)

    def trial_ended(self, facts: TrialFacts) -> None:
        """Says a trial's result in one line."""
        width = len(str(self._wanted))
        found = zip(self._objectives, facts.values, strict=False)
        value = ", ".join(_measured(*one) for one in found) or WORDS[facts.state]
        best = "  best" if facts.best is not None and facts.best[1] == facts.number else ""
        wide = 7 + 11 * (len(self._objectives) - 1)
        reason = facts.reason.partition("; use --")[0]  # the way out of one run is none for a study
        why = f"  {reason}" if facts.state == "FAIL" or "never trained" in reason else ""
        self.say(
            f"trial {facts.number:>{width}}  {value:<{wide}}{facts.seconds:6.1f} s  "
            f"{escape(_candidate(facts.params))}{best}{escape(why)}"
        )
        self.bar("trials", facts.finished, self._wanted)

    def refit_started(self, number: int) -> None:
        """Says that the best candidate is trained again."""
        among = f" in {self._objectives[0]}" if len(self._objectives) > 1 else ""
        self.say(f"refit of trial {number}, the best{among}")
        self._refits = True

    def started(self, facts: RunFacts) -> None:
        """Shows the run only where it is the refit."""
        if self._refits:
            super().started(facts)

    def batch(self, done: int, total: int) -> None:
        """Moves the bar only in the refit."""
        if self._refits:
            super().batch(done, total)

    def epoch(self, report: EpochReport) -> None:
        """Says the epochs of the refit only."""
        if self._refits:
            super().epoch(report)


class SweepTerminal(StudyTerminal):
    """Shows a sweep."""

    kind, done = "sweep", "varied"


def say_study(result: StudyResult) -> None:
    """Prints how the study ended, what it found, and how to look at it, repeat it or go on."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("study", f"{escape(result.name)}: {escape(result.outcome.reason)}")
    if result.best is not None:
        pairs = zip(result.objectives, result.best.values, strict=True)
        found = ", ".join(f"{name} {_measured(name, value)}" for name, value in pairs)
        params = _candidate(result.best.params)
        table.add_row("best", f"trial {result.best.number}: {found}  {escape(params)}")
    if len(result.front) > 1:
        table.add_row(
            "front", f"trials {', '.join(map(str, result.front))}: none is beaten in all objectives"
        )
    if result.refit is not None and "test/accuracy" in result.refit.metrics:
        metrics = result.refit.metrics
        low, high = metrics["test/accuracy_low"], metrics["test/accuracy_high"]
        text = f"[bold]{metrics['test/accuracy']:.4f}[/]  (95 % interval {low:.4f} to {high:.4f})"
        table.add_row("test accuracy", text)
    if result.improvement is not None:
        table.add_row("gain", escape(improvement_sentence(result.improvement)))
    elif result.refit is not None and result.best is not None and result.best.number == 0:
        table.add_row("gain", "none: the best is trial 0, which the search began with")
    if result.command:
        table.add_row("repeat", bold(result.command))
    table.add_row("storage", escape(result.storage))
    look = f"cnnexp ui --study {shlex.quote(result.name)}"
    table.add_row("look", bold(completed(look, result.tracking)))
    if result.outcome.status is not Status.COMPLETED:
        table.add_row("go on", bold(completed(_resume_command(result), result.tracking)))
    print_rows(table)
    if is_server(result.tracking_uri):  # not in the table, which would break a long address into lines
        address = without_passwords(result.tracking_uri).replace("***@", "")
        click.echo(ui_page(address, result.experiment_id, study_view(result.name)))


def _resume_command(result: StudyResult) -> str:
    from cnnexp.tuning.storage import hidden, storage_url

    command = f"cnnexp tune --resume {shlex.quote(result.name)}"
    if result.storage != hidden(storage_url(None, result.tracking_uri)):
        command += f" --storage {shlex.quote(result.storage)}"
    return command


def _candidate(params: Mapping[str, object]) -> str:
    """Returns a candidate in few words: `widths=32,64` for a depth and the width of each layer."""
    lists: dict[str, list[str]] = {}
    for name, value in params.items():
        lists.setdefault(name.partition(".")[0], []).append(_short(value))
    if any("." in name for name in params):  # then the list tells its own length
        lists.pop("depth", None)
    return " ".join(f"{name}={','.join(values)}" for name, values in lists.items())


def _measured(objective: str, value: float) -> str:
    return f"{value:,.0f}" if objective in COUNTS else f"{value:.4f}"


def _short(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)
