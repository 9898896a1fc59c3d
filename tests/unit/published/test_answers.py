from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

from cnnexp.published import schema
from cnnexp.published.answers import NOT_RUN, Ground, answer
from cnnexp.published.measured import Measured
from cnnexp.results.recorded import Recorded
from cnnexp.settings import ComputeSettings

WORSE = {23: 0.80, 24: 0.90, 25: 0.70, 26: 0.85}
BETTER = {seed: value + 0.01 + seed / 10_000 for seed, value in WORSE.items()}


def trained(accuracies: Mapping[int, float]) -> list[Recorded]:
    rows = (
        SimpleNamespace(params={"seed": str(seed)}, metrics={"test/accuracy": value})
        for seed, value in accuracies.items()
    )
    return [cast("Recorded", SimpleNamespace(row=row)) for row in rows]


def ground_of(**arms: Mapping[int, float]) -> Ground:
    measured = Measured({name: trained(values) for name, values in arms.items()})
    return Ground(measured, {}, ComputeSettings())


def asked(*answers: schema.Answer) -> schema.Question:
    return schema.Question(ask="Which?", answers=answers)


def test_arms_are_compared_over_the_seeds_that_both_have() -> None:
    question = asked(schema.Difference(kind="difference", arms=("better", "worse")))
    failed = {seed: value for seed, value in BETTER.items() if seed != 23}
    (said,) = answer(question, ground_of(better=failed, worse=WORSE))
    assert "test accuracy 82.92 % and 81.67 %; +1.25 points (95 % interval over 3 seeds" in said
    (said,) = answer(question, ground_of(better={23: 0.9}, worse={24: 0.8}))
    assert said == f"better against worse: {NOT_RUN}."


def test_an_advantage_is_of_the_seeds_that_all_four_have() -> None:
    question = asked(
        schema.Advantage(
            kind="advantage",
            arm="a",
            against="b",
            changed_arm="c",
            changed_against="d",
            change="pixels permuted",
        )
    )
    without = {seed: value for seed, value in WORSE.items() if seed != 24}
    said = answer(question, ground_of(a=BETTER, b=WORSE, c=without, d=WORSE))
    assert said[2].startswith(
        "a's advantage over b, less that with pixels permuted: +1.25 points (95 % interval over 3"
    )
