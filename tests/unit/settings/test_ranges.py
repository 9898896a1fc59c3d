from __future__ import annotations

from collections.abc import Callable

import pytest

from cnnexp.settings import Choice, FloatRange, IntRange


@pytest.mark.parametrize(
    "make",
    [
        lambda: FloatRange(1.0, 1.0),
        lambda: FloatRange(0.0, 1.0, log=True),
        lambda: FloatRange(0.0, float("inf")),
        lambda: IntRange(5, 3),
        lambda: IntRange(1, 3, step=0),
        lambda: IntRange(0, 8, log2=True),
        lambda: Choice(("one",)),
    ],
)
def test_a_range_that_offers_no_choice_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="not"):
        make()
