"""What an experiment tells whoever watches it: a terminal, a notebook, a test."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from cnnexp.training.events import EpochReport

logger = logging.getLogger("cnnexp")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a watcher may say when training starts."""

    run_name: str
    run_id: str
    model: str
    num_parameters: int
    dataset: str
    image: str
    num_classes: int
    num_images: tuple[int, int, int]
    device: str
    precision: str
    epochs: int
    first_epoch: int


class Listener:
    """Hears everything and does nothing; subclasses show what they care for. A listener cannot stop a run."""

    def progress(self, task: str, done: int, total: int) -> None:
        """Slow work is so far: reading, decoding, downloading."""

    def note(self, sentence: str) -> None:
        """Something a user should know, once."""

    def started(self, facts: RunFacts) -> None:
        """Training starts."""

    def batch(self, done: int, total: int) -> None:
        """A training step is done."""

    def epoch(self, report: EpochReport) -> None:
        """An epoch is done."""


class Guarded(Listener):
    """Hands everything on to another listener; one that fails is warned of once, and told no more."""

    def __init__(self, listener: Listener) -> None:
        self._listener: Listener | None = listener

    def _tell(self, method: str, *what: object) -> None:
        if self._listener is None:
            return
        try:
            getattr(self._listener, method)(*what)
        except (Exception, SystemExit) as error:  # SystemExit: rich's answer to a closed pipe
            self._listener = None
            logger.warning("what shows the progress failed (%r); the training goes on without it", error)

    def progress(self, task: str, done: int, total: int) -> None:
        """Hands on."""
        self._tell("progress", task, done, total)

    def note(self, sentence: str) -> None:
        """Hands on."""
        self._tell("note", sentence)

    def started(self, facts: RunFacts) -> None:
        """Hands on."""
        self._tell("started", facts)

    def batch(self, done: int, total: int) -> None:
        """Hands on."""
        self._tell("batch", done, total)

    def epoch(self, report: EpochReport) -> None:
        """Hands on."""
        self._tell("epoch", report)
