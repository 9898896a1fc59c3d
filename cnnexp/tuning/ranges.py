"""Search ranges as text, as values, and as Optuna's distributions.

lr=1e-4..1e-1:log     kernel_size=3,5,7     depth=1..4     batch_size=16..256:log2     width=16..64:16
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from cnnexp.settings import Choice, FloatRange, IntRange, SearchRange

Value = str | int | float | bool | None
_WORDS: dict[str, Value] = {"true": True, "false": False, "none": None, "null": None}
_FORMS = "write low..high, low..high:log, low..high:log2, low..high:STEP or a,b,c"


def parse_range(given: object, kind: type) -> SearchRange:
    """Returns the range that a text or a list of values means.

    Args:
        given: `1e-4..1e-1:log`, `3,5,7`, or a list from a YAML file.
        kind: bool, int, float or str: what the values are.

    Raises:
        ValueError: it is none of the forms, or its bounds cannot be; the text is the end of a sentence.
    """
    if isinstance(given, (list, tuple)):
        return _choice([_value(str(one), kind) for one in given])
    text = str(given).strip()
    if ".." not in text:
        return _choice([_value(word, kind) for word in text.split(",")])
    bounds, _, how = text.partition(":")
    low, _, high = bounds.partition("..")
    if kind not in (int, float):
        raise ValueError("has no order, so it takes a list of values, such as a,b,c.")
    first, last = _number(low, kind), _number(high, kind)
    try:
        return _range(first, last, how.strip(), kind)
    except ValueError as error:
        raise ValueError(f"{error}.") from None


def values_of(one: SearchRange) -> tuple[Any, ...] | None:
    """Returns every value of a range; None where it is continuous."""
    if isinstance(one, FloatRange):
        return None
    if isinstance(one, Choice):
        return one.values
    if one.log2:
        steps = int(math.log2(one.high / one.low))
        return tuple(one.low * 2**power for power in range(steps + 1))
    return tuple(range(one.low, one.high + 1, one.step))


def nearest(one: SearchRange, value: Value) -> Value:
    """Returns the value of a range nearest to a given one; of words the first, where it is none of them."""
    values = values_of(one)
    if values is not None and value in values:
        return value
    if isinstance(value, (int, float)):
        if isinstance(one, FloatRange):
            return min(max(float(value), one.low), one.high)
        numbers = [v for v in values or () if isinstance(v, (int, float))]
        if numbers:
            return min(numbers, key=lambda number: abs(number - value))
    return values[0] if values else None


def drawn(one: SearchRange, random: np.random.Generator) -> Value:
    """Returns a value at random."""
    if isinstance(one, FloatRange):
        if one.log:
            return float(math.exp(random.uniform(math.log(one.low), math.log(one.high))))
        return float(random.uniform(one.low, one.high))
    values = values_of(one) or ()
    value: Value = values[int(random.integers(len(values)))]
    return value


def distribution(one: SearchRange) -> BaseDistribution:
    """Returns the range as Optuna has it; powers of two become a choice, so that tables show their values."""
    if isinstance(one, FloatRange):
        return FloatDistribution(one.low, one.high, log=one.log)
    if isinstance(one, IntRange) and not one.log2:
        return IntDistribution(one.low, one.low + (one.high - one.low) // one.step * one.step, step=one.step)
    values = values_of(one)
    assert values is not None
    return CategoricalDistribution(values)


def as_text(one: SearchRange) -> str:
    """Returns the range as `parse_range` reads it."""
    if isinstance(one, Choice):
        return ",".join(str(value).lower() if isinstance(value, bool) else str(value) for value in one.values)
    how = "log" if isinstance(one, FloatRange) and one.log else ""
    if isinstance(one, IntRange):
        how = "log2" if one.log2 else str(one.step) if one.step > 1 else ""
    return f"{one.low:g}..{one.high:g}" + (f":{how}" if how else "")


def _range(low: float, high: float, how: str, kind: type) -> SearchRange:
    if kind is float:
        if how not in ("", "log"):
            raise ValueError(f"{how!r} after the colon means nothing here: {_FORMS}")
        return FloatRange(low, high, log=how == "log")
    if how in ("log", "log2"):
        return IntRange(int(low), int(high), log2=True)
    if how and not how.isdigit():
        raise ValueError(f"{how!r} after the colon means nothing here: {_FORMS}")
    return IntRange(int(low), int(high), step=int(how or 1))


def _choice(values: list[Value]) -> Choice:
    if len(set(values)) < len(values):
        raise ValueError("names a value twice.")
    try:
        return Choice(tuple(values))
    except ValueError:
        raise ValueError(f"is one value, not a range: {_FORMS}.") from None


def _value(text: str, kind: type) -> Value:
    word = text.strip()
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    if kind is bool:
        raise ValueError(f"{word!r} is not true or false.")
    return word if kind is str else _number(word, kind)


def _number(text: str, kind: type) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text.strip()!r} is not a number: {_FORMS}.") from None
    if not math.isfinite(number) or (kind is int and number != int(number)):
        raise ValueError(f"{text.strip()!r} is not a {'whole' if kind is int else 'finite'} number.")
    return int(number) if kind is int else number
