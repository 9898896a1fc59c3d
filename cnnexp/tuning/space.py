"""The search space: which settings and model arguments vary, over which ranges.

A model argument that is a list (`widths`) has two parts: `depth`, its length, and one dimension per place
(`widths.1`, `widths.2`, ...) that exists only in candidates that are deep enough: a conditional space.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnexp.errors import UserError
from cnnexp.models import MODELS, check_arguments
from cnnexp.settings import Given, SearchRange, Settings
from cnnexp.tuning.ranges import as_text, drawn, nearest, values_of

DEPTH = "depth"
Params = dict[str, Any]
Key = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing that varies.

    Attributes:
        name: of the setting or argument; `depth`, or `widths.2` for a place of a list.
        range: its legal values in this study.
        is_argument: it belongs to the model's builder.
        place: of a list's item, counted from 1; 0 elsewhere. The item exists where depth >= place.
    """

    name: str
    range: SearchRange
    is_argument: bool
    place: int = 0


@dataclass(frozen=True, slots=True)
class Space:
    """Dimensions, in the order in which candidates are written.

    Attributes:
        dimensions: `depth` stands before the places it decides on.
        list_argument: the model argument that `depth` and the places are of; None where none is searched.
    """

    dimensions: tuple[Dimension, ...]
    list_argument: str | None = None

    def describe(self) -> dict[str, str]:
        """Returns the space as text, name to range: what studies are compared by."""
        return {one.name: as_text(one.range) for one in self.dimensions}

    def active(self, params: Mapping[str, Any]) -> Params:
        """Returns the parameters that have an effect: places beyond the depth fall away."""
        depth = params.get(DEPTH, math.inf)
        return {
            one.name: params[one.name] for one in self.dimensions if one.name in params and one.place <= depth
        }

    def given(self, params: Mapping[str, Any], base: Settings) -> dict[str, Given]:
        """Returns a candidate as settings: what a command line would have given."""
        arguments = dict(base.network.model_args)
        settings: dict[str, object] = {}
        for one in self.dimensions:
            if one.name in params and one.name != DEPTH and not one.place:
                (arguments if one.is_argument else settings)[one.name] = params[one.name]
        if self.list_argument is not None:
            arguments[self.list_argument] = self._items(params, base)
        return {
            name: Given(value, "the search space")
            for name, value in {**settings, "model_args": arguments}.items()
        }

    def default(self, base: Settings) -> Params:
        """Returns the base settings as a candidate; what is outside its range moves to the nearest value."""
        flat, arguments = base.flat(), base_arguments(base)
        own = list(arguments[self.list_argument]) if self.list_argument else []
        found: Params = {}
        for one in self.dimensions:
            if one.name == DEPTH and self.list_argument is not None:
                value: Any = len(own)
            elif one.place:
                value = own[min(one.place, len(own)) - 1]
            else:
                value = arguments[one.name] if one.is_argument else flat[one.name]
            found[one.name] = nearest(one.range, value)
        return self.active(found)

    def num_cells(self) -> float:
        """Returns how many candidates there are; infinite where a dimension is continuous."""
        if any(values_of(one.range) is None for one in self.dimensions):
            return math.inf
        return sum(math.prod(len(values) for values in part.values()) for part in self._parts())

    def cells(self) -> Iterator[Params]:
        """Yields every candidate, each once, the last dimension varying fastest.

        Raises:
            UserError: a dimension is continuous.
        """
        for one in self.dimensions:
            if values_of(one.range) is None:
                raise UserError(
                    f"{one.name}={as_text(one.range)} is continuous, and a grid needs single values: write "
                    f"{one.name}=a,b,c."
                )
        for part in self._parts():
            for cell in itertools.product(*part.values()):
                yield dict(zip(part, cell, strict=True))

    def sampled(self, count: int, *, seed: int) -> Iterator[Params]:
        """Yields candidates drawn at random, for a look at what the space holds."""
        random = np.random.default_rng(seed)
        for _ in range(count):
            yield self.active({one.name: drawn(one.range, random) for one in self.dimensions})

    def _parts(self) -> Iterator[dict[str, tuple[Any, ...]]]:
        """Yields the values of each dimension for each depth, which are grids without a condition."""
        values = {one.name: values_of(one.range) or () for one in self.dimensions}
        if DEPTH not in values:
            yield values
            return
        for depth in values[DEPTH]:
            there = {one.name: values[one.name] for one in self.dimensions if one.place <= depth}
            yield {**there, DEPTH: (depth,)}

    def _items(self, params: Mapping[str, Any], base: Settings) -> list[Any]:
        """Returns the list of a candidate; beyond the base's own length its last item repeats."""
        name = str(self.list_argument)
        own = list(base_arguments(base)[name])
        depth = params.get(DEPTH, len(own))
        if name in params:  # a sweep gives all places one value
            return [params[name]] * depth
        filled = [own[min(place, len(own) - 1)] for place in range(depth)]
        return [params.get(f"{name}.{place + 1}", item) for place, item in enumerate(filled)]


def candidate_key(params: Mapping[str, Any]) -> Key:
    """Returns what makes two candidates the same."""
    return tuple(sorted((name, value) for name, value in params.items()))


def base_arguments(base: Settings) -> dict[str, Any]:
    """Returns every argument of the base model, given or default."""
    return check_arguments(MODELS.get(base.network.model), base.network.model_args)
