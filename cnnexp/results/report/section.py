"""A section of a page that holds what belongs to one heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.results.report.elements import Figure, Table


@dataclass(frozen=True, slots=True)
class Section:
    """Sentences, tables and figures under a heading.

    Attributes:
        anchor: name in links.
        name: the heading.
    """

    anchor: str
    name: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
