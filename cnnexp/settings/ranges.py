"""Search ranges: small value objects that validate themselves.

A setting or a model argument carries its range as `Annotated` metadata, where it is declared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FloatRange:
    """Real numbers from `low` to `high`, both included.

    Raises:
        ValueError: the bounds are not finite, not in order, or not positive although `log` is set.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a range needs finite low < high, not {self.low}..{self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low > 0, not {self.low}")


@dataclass(frozen=True, slots=True)
class IntRange:
    """Whole numbers low, low + step, ... up to `high`; with `log2`, powers of two times `low`.

    Raises:
        ValueError: the bounds are not in order, the step is not positive, or `log2` starts below one.
    """

    low: int
    high: int
    step: int = 1
    log2: bool = False

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"a range needs low < high, not {self.low}..{self.high}")
        if self.step < 1:
            raise ValueError(f"a step is at least 1, not {self.step}")
        if self.log2 and self.low < 1:
            raise ValueError(f"powers of two start at 1 or more, not {self.low}")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values.

    Raises:
        ValueError: fewer than two values.
    """

    values: tuple[object, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2:  # noqa: PLR2004 - a choice of one is none
            raise ValueError(f"a choice needs two values or more, not {self.values}")


SearchRange = FloatRange | IntRange | Choice
