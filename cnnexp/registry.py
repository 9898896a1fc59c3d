"""A registry: names to entries. Models and data sets each have one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from cnnexp.errors import UnknownNameError, UserError

Entry = TypeVar("Entry")
logger = logging.getLogger("cnnexp")


class Registry(Generic[Entry]):
    """Entries of one kind by name; a name is registered once.

    Args:
        kind: what an entry is, for messages ("model", "dataset").
        entry_point_group: where installed packages add entries; loaded at the first look-up.
        load_builtin: imports the modules that register the package's own entries.
        way_out: the sentence that ends an unknown-name message.
    """

    def __init__(
        self, kind: str, *, entry_point_group: str, load_builtin: Callable[[], object], way_out: str
    ) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        self._group = entry_point_group
        self._load_builtin = load_builtin
        self._way_out = way_out
        self._failed: list[str] = []
        self._is_complete = self._is_loading = False

    def add(self, name: str, entry: Entry) -> None:
        """Registers an entry.

        Raises:
            UserError: the name is taken.
        """
        if name in self._entries:
            raise UserError(f"{self.kind} {name!r} is already registered; choose another name for yours.")
        self._entries[name] = entry

    def get(self, name: str) -> Entry:
        """Returns the entry of that name.

        Raises:
            UnknownNameError: no such name; the message names the nearest, lists all, and says which installed
                plug-in has failed.
        """
        self._complete_once()
        if name not in self._entries:
            way_out = " ".join([*self._failed, self._way_out])
            raise UnknownNameError(self.kind, name, self._entries, way_out=way_out)
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """Returns every registered name, sorted."""
        self._complete_once()
        return tuple(sorted(self._entries))

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[name] for name in self.names())

    def __contains__(self, name: str) -> bool:
        self._complete_once()
        return name in self._entries

    def remove(self, name: str) -> None:
        """Forgets an entry (for tests and notebooks that define one again)."""
        del self._entries[name]

    def _complete_once(self) -> None:
        if self._is_complete or self._is_loading:  # a plug-in may look something up while it is loaded
            return
        self._is_loading = True
        try:
            self._load_builtin()
            for point in entry_points(group=self._group):
                self._load(point)
            self._is_complete = True
        finally:
            self._is_loading = False

    def _load(self, point: EntryPoint) -> None:
        """Loads an installed plug-in; one that fails is noted, and stands in no other entry's way."""
        try:
            point.load()  # the module's decorators register its entries
        except (Exception, SystemExit) as error:
            sentence = (
                f"The installed plug-in {point.name!r} ({point.value}) fails to import: "
                f"{type(error).__name__}: {error}; mend or uninstall it."
            )
            self._failed.append(sentence)
            logger.warning(sentence)
