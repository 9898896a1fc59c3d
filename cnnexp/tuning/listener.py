"""What a study tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnexp.experiment.listener import Guarded, Listener


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What a watcher may say when a study starts.

    Attributes:
        name: of the study.
        what: model on data set.
        space: name to range.
        wanted: finished trials of the whole study.
        finished: those there are already.
        objectives: what is optimised.
        workers: how the machine is shared out, as a sentence.
        storage: where the study is, without a password.
        run_id: of the study's own run.
    """

    name: str
    what: str
    space: dict[str, str]
    wanted: int
    finished: int
    objectives: tuple[str, ...]
    workers: str
    storage: str
    run_id: str


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """A trial that has ended.

    Attributes:
        number: of the trial.
        state: COMPLETE, PRUNED, FAIL.
        values: of the objectives; empty where there are none.
        params: what varied.
        reason: why it ended.
        seconds: from start to end.
        finished: trials that count, this one included.
        best: the best value so far and its trial's number; None before the first, and for several objectives.
    """

    number: int
    state: str
    values: tuple[float, ...]
    params: dict[str, Any]
    reason: str
    seconds: float
    finished: int
    best: tuple[float, int] | None


class StudyListener(Listener):
    """Hears everything and does nothing."""

    def study_started(self, facts: StudyFacts) -> None:
        """Trials are about to start."""

    def trial_ended(self, facts: TrialFacts) -> None:
        """A trial has ended."""

    def refit_started(self, number: int) -> None:
        """The best candidate is trained again."""


class GuardedStudy(Guarded, StudyListener):
    """Hands everything on to another listener; one that fails is warned of once, and told no more."""

    def study_started(self, facts: StudyFacts) -> None:
        """Hands on."""
        self._tell("study_started", facts)

    def trial_ended(self, facts: TrialFacts) -> None:
        """Hands on."""
        self._tell("trial_ended", facts)

    def refit_started(self, number: int) -> None:
        """Hands on."""
        self._tell("refit_started", number)
