"""How a study looks on a terminal: a bar of trials where there is one, a line per trial everywhere."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from cnnexp.cli.tables import print_rows
from cnnexp.cli.terminal import Terminal, bold, completed
from cnnexp.experiment.listener import RunFacts
from cnnexp.training.events import EpochReport, Status
from cnnexp.tuning.listener import StudyFacts, StudyListener, TrialFacts
from cnnexp.tuning.report import improvement_sentence

if TYPE_CHECKING:
    from cnnexp.tuning.result import StudyResult

WORDS = {"COMPLETE": "", "PRUNED": "pruned", "FAIL": "failed"}


class StudyTerminal(Terminal, StudyListener):
    """Shows a study; epochs of single trials are not shown."""

    kind, done = "study", "searched"

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._wanted = 0
        self._refits = False

    def study_started(self, facts: StudyFacts) -> None:
        """Says what is searched, where and by whom."""
        self._wanted = facts.wanted
        space = ", ".join(f"{name} {text}" for name, text in facts.space.items())
        self.say(f"{self.kind} [bold]{escape(facts.name)}[/]: {escape(facts.what)}, {escape(facts.workers)}")
        self.say(f"{self.done}: {escape(space)}")
        if facts.finished:
            self.say(f"{facts.finished} of {facts.wanted} trials are finished already")
        self.bar("trials", facts.finished, facts.wanted)

    def trial_ended(self, facts: TrialFacts) -> None:
        """Says a trial's result in one line."""
        width = len(str(self._wanted))
        value = ", ".join(f"{value:.4g}" for value in facts.values) or WORDS[facts.state]
        best = f"  best {facts.best[0]:.4f} (trial {facts.best[1]})" if facts.best else ""
        params = " ".join(f"{name}={_short(given)}" for name, given in facts.params.items())
        why = f"  {facts.reason}" if facts.state == "FAIL" or "never trained" in facts.reason else ""
        self.say(
            f"trial {facts.number:>{width}}  {value:<7}{facts.seconds:6.1f} s{best}  "
            f"{escape(params)}{escape(why)}"
        )
        self.bar("trials", facts.finished, self._wanted)

    def refit_started(self, number: int) -> None:
        """Says that the best candidate is trained again."""
        self.say(f"refit of trial {number}, the best")
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
        found = ", ".join(
            f"{name} {value:.4g}" for name, value in zip(result.objectives, result.best.values, strict=True)
        )
        params = " ".join(f"{name}={_short(given)}" for name, given in result.best.params.items())
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
    if result.command:
        table.add_row("repeat", bold(result.command))
    table.add_row("storage", escape(result.storage))
    table.add_row("look", bold(completed("cnnexp ui", result.tracking, "experiment")))
    if result.outcome.status is not Status.COMPLETED:
        table.add_row(
            "go on", bold(completed(f"cnnexp tune --resume {shlex.quote(result.name)}", result.tracking))
        )
    print_rows(table)


def _short(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)
