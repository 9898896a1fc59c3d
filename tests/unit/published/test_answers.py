from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import pytest
from scipy import stats

from cnnexp.published import schema
from cnnexp.published.answers import NOT_RUN, Ground, answer
from cnnexp.published.compared import Compared, tell
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


def answers_of(question: schema.Question, ground: Ground) -> list[list[str]]:
    return [said for _, said in answer([question], ground)]


def test_arms_are_compared_over_the_seeds_that_both_have() -> None:
    question = asked(schema.Difference(kind="difference", arms=("better", "worse")))
    failed = {seed: value for seed, value in BETTER.items() if seed != 23}
    ((said,),) = answers_of(question, ground_of(better=failed, worse=WORSE))
    assert "test accuracy 82.92 % and 81.67 %; +1.25 points (95 % interval over 3 seeds" in said
    ((said,),) = answers_of(question, ground_of(better={23: 0.9}, worse={24: 0.8}))
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
    (said,) = answers_of(question, ground_of(a=BETTER, b=WORSE, c=without, d=WORSE))
    assert said[2].startswith(
        "a's advantage over b, less that with pixels permuted: +1.25 points (95 % interval over 3"
    )


@pytest.mark.parametrize(
    ("differences", "says"),
    [
        ((0.02,), "+2.00 points, which one seed cannot tell from chance."),
        (
            (0.02, 0.021, 0.019),
            "points (95 % interval over 3 seeds +1.75 to +2.25; paired t test, p 0.00083): a",
        ),
        ((0.02, 0.021, 0.019), ": a difference beyond chance."),
        ((-0.02, -0.021, -0.019), ": a difference beyond chance."),
        ((0.02, -0.02, 0.01), ": within chance."),
        ((0.02, 0.02), "+2.00 points in each of 2 seeds, which leaves no spread to tell by."),
    ],
)
def test_a_difference_is_told_from_chance_by_a_paired_t_test(
    differences: tuple[float, ...], says: str
) -> None:
    first = tuple(0.5 + 0.1 * seed + one for seed, one in enumerate(differences))
    second = tuple(0.5 + 0.1 * seed for seed in range(len(differences)))
    (sentence,) = tell([Compared("a against b:", first, second)])
    assert sentence.startswith("a against b: ")
    assert says in sentence


def test_p_is_corrected_for_all_comparisons_of_an_experiment() -> None:
    alone = {23: 0.0210, 24: 0.0200, 25: 0.0150}  # p 0.008
    arms = {"first": WORSE}
    arms |= {f"other {n}": {seed: WORSE[seed] - one for seed, one in alone.items()} for n in range(6)}
    single, many = (
        schema.Difference(kind="difference", arms=("first", *(f"other {n}" for n in range(count))))
        for count in (1, 3)
    )
    more = schema.Difference(kind="difference", arms=("first", "other 3", "other 4", "other 5"))
    ground = ground_of(**arms)
    ((_, (said,)),) = answer([asked(single)], ground)
    p = stats.ttest_1samp(list(alone.values()), 0).pvalue
    assert f"p {p:.2g}): a difference beyond chance" in said
    told = [said for _, sentences in answer([asked(many), asked(more)], ground) for said in sentences]
    assert len(told) == 6
    expected = stats.false_discovery_control([p] * 6, method="by")[0]
    for said in told:
        assert f"p {expected:.2g}, corrected for 6 comparisons)" in said
