"""What an experiment tells whoever watches it: a terminal, a notebook, a test."""

from __future__ import annotations

from dataclasses import dataclass

from cnnexp.training.events import EpochReport


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
