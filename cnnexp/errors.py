"""Errors a user can mend: one sentence each, exit code 2, no traceback.

This module knows nothing of the rest of the package.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class UserError(Exception):
    """Bad input: the sentence names the value, what is allowed, and the way out."""

    exit_code = 2


class UnknownNameError(UserError):
    """A name that no registry knows; an alias may be the nearest, the list is of the names alone."""

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, aliases: Iterable[str] = (), way_out: str = ""
    ) -> None:
        names = sorted(known)
        near = did_you_mean(name, [*names, *aliases])
        sentence = f"unknown {kind} {name!r}{near} Known: {', '.join(names) or 'none'}."
        super().__init__(f"{sentence} {way_out}".rstrip())


class DataError(UserError):
    """A data set that is missing, broken or unfit for the experiment."""


class ModelError(UserError):
    """A model that cannot be built as asked, or cannot take the images it is given."""


class TrackingError(UserError):
    """A tracking store that cannot be opened, or a run that cannot be found."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one setting.

    Attributes:
        setting: the setting's name.
        value: what was given, as given.
        rule: what is allowed, as the end of the sentence "<setting> must ...".
        origin: where the value came from: `--lr`, `experiment.yaml line 3`, `CNNEXP_LR`.
    """

    setting: str
    value: object
    rule: str
    origin: str

    def __str__(self) -> str:
        given = f" = {self.value!r}" if self.value is not None else ""
        return f"{self.setting}{given} ({self.origin}): {self.rule}"


class SettingsError(UserError):
    """Every fault of the settings, reported together."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults]
        super().__init__(
            lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} settings are wrong:", *lines])
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns `; did you mean 'lenet'?` for the nearest known name, or a full stop where none is near."""
    near = difflib.get_close_matches(name.lower(), [str(one) for one in known], n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else "."
