"""A registry: names to entries. Models and data sets each have one.

An entry may have further names (aliases), by which it is found; it is listed once, under its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
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
        self._own_names: dict[str, str] = {}  # by alias
        self._group = entry_point_group
        self._load_builtin = load_builtin
        self._way_out = way_out
        self._failed: list[str] = []
        self._is_complete = self._is_loading = False

    def add(self, name: str, entry: Entry, *, aliases: Sequence[str] = ()) -> None:
        """Registers an entry under its name, and under further ones.

        Raises:
            UserError: one of the names is taken.
        """
        for one in (name, *aliases):
            if one in self._entries or one in self._own_names:
                owner = self._own_names.get(one, one)
                also = "" if owner == one else f" (it is {owner!r})"
                raise UserError(
                    f"{self.kind} {one!r} is already registered{also}; choose another name for yours."
                )
        self._entries[name] = entry
        self._own_names |= dict.fromkeys(aliases, name)

    def get(self, name: str) -> Entry:
        """Returns the entry of that name or alias.

        Raises:
            UnknownNameError: no such name; the message names the nearest, lists all, and says which installed
                plug-in has failed.
        """
        self._complete_once()
        own_name = self._own_names.get(name, name)
        if own_name not in self._entries:
            way_out = " ".join([*self._failed, self._way_out])
            raise UnknownNameError(self.kind, name, self._entries, aliases=self._own_names, way_out=way_out)
        return self._entries[own_name]

    def aliases(self, name: str) -> tuple[str, ...]:
        """Returns the further names of an entry, in the order they were given."""
        return tuple(alias for alias, own_name in self._own_names.items() if own_name == name)

    def names(self) -> tuple[str, ...]:
        """Returns every registered name, sorted; aliases are not among them."""
        self._complete_once()
        return tuple(sorted(self._entries))

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[name] for name in self.names())

    def __contains__(self, name: str) -> bool:
        self._complete_once()
        return self._own_names.get(name, name) in self._entries

    def remove(self, name: str) -> None:
        """Forgets an entry (for tests and notebooks that define one again)."""
        del self._entries[name]
        for alias in self.aliases(name):
            del self._own_names[alias]

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
