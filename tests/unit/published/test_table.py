from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from scipy import stats

from cnnexp.published import schema, shipped
from cnnexp.published.measured import Measured
from cnnexp.published.plan import Plan
from cnnexp.published.read import read_experiment
from cnnexp.published.request import Request
from cnnexp.published.table import (
    CANNOT_TELL,
    CHANGED,
    NOT_MEASURED,
    OUTSIDE,
    WITHIN,
    Row,
    csv_of,
    markdown_of,
    prediction_interval,
    spread_sentence,
    table_of,
    verdict_of,
)
from cnnexp.results.recorded import Recorded
from cnnexp.settings import RaceSettings, Settings

OURS = (0.86, 0.87, 0.88)


def test_the_prediction_interval_is_student_s() -> None:
    expected = stats.ttest_1samp(OURS, 0).confidence_interval(0.95)
    wide = prediction_interval(OURS)
    assert wide[1] - 0.87 == pytest.approx((expected.high - 0.87) * 2)  # √(1 + 1/3) against √(1/3)


@pytest.mark.parametrize(
    ("published", "ours", "verdict"),
    [
        (0.87, (), NOT_MEASURED),
        (0.87, (0.87,), CANNOT_TELL),
        (0.90, OURS, WITHIN),
        (0.93, OURS, OUTSIDE),
        (0.82, OURS, OUTSIDE),
        (0.5, (0.5, 0.5), WITHIN),
        (0.6, (0.5, 0.5), OUTSIDE),
    ],
)
def test_the_verdict_follows_the_prediction_interval(
    published: float, ours: tuple[float, ...], verdict: str
) -> None:
    assert verdict_of(published, ours) == verdict


def test_a_row_says_published_ours_and_difference() -> None:
    row = Row("lenet", "test accuracy", 0.8677, OURS, WITHIN, "the test")
    assert row.cells() == (
        "lenet", "test accuracy", "86.77 %", "87.00 ± 1.00 %", "84.52 to 89.48 %", "3", "+0.23",
        WITHIN, "the test",
    )  # fmt: skip
    (line,) = csv.DictReader(csv_of([row]).splitlines())
    assert float(line["difference"]) == pytest.approx(0.0023)
    assert float(line["sd"]) == pytest.approx(0.01)
    assert "| lenet | test accuracy | 86.77 % |" in markdown_of([row])
    assert (
        markdown_of([row]).splitlines()[1] == "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |"
    )


def test_an_interval_of_accuracies_ends_at_one_in_every_table() -> None:
    row = Row("lenet", "test accuracy", None, (0.97, 1.0), "", "")
    (line,) = csv.DictReader(csv_of([row]).splitlines())
    assert line["high"] == "1"
    assert row.cells()[4].endswith(" to 100.00 %")


def test_no_interval_of_what_cannot_be_negative_begins_below_nothing() -> None:
    row = Row("lenet", "seconds of training", 9.0, (1.0, 9.0), WITHIN, "")
    assert row.cells()[4].startswith("0.00 to ")


@pytest.mark.parametrize(("is_alike", "difference"), [(True, -4.0), (False, None)])
def test_what_was_taken_otherwise_has_no_difference(is_alike: bool, difference: float | None) -> None:
    assert Row("a", "seconds of training", 9.0, (5.0,), "", "", is_alike=is_alike).difference == difference


def test_points_of_curves_are_counted_where_they_can_be_told() -> None:
    rows = [Row("a", "x", 1.0, (1.0, 1.1), verdict, "", True) for verdict in (WITHIN, WITHIN, OUTSIDE)]
    assert spread_sentence(rows) == "of 3 points of published curves 2 lie within the spread over seeds"
    assert spread_sentence([Row("a", "x", 1.0, (1.0,), CANNOT_TELL, "", True)]) is None


@pytest.mark.parametrize(
    ("name", "datasets", "arm", "verdict"),
    [
        ("s4", {"cifar": "cifar10"}, "three-block", WITHIN),
        ("s4", {"cifar": "folder:mine"}, "three-block", CHANGED),
        ("s4", {"cifar": "digits"}, "three-block", CHANGED),
        ("s1", {"fashion": "fashion-mnist", "digits": "fashion-mnist"}, "reader's variant", CHANGED),
        ("s1", {"fashion": "fashion-mnist", "digits": "fashion-mnist"}, "lenet", WITHIN),
        ("s0", {"photos": "folder:mine"}, "torch", WITHIN),
    ],
)
def test_an_arm_on_other_data_than_the_original_is_not_judged(
    name: str, datasets: Mapping[str, str], arm: str, verdict: str
) -> None:
    file = read_experiment(shipped()[name])
    plan = Plan(file, Request(), {arm: Settings()}, 3, RaceSettings() if name == "s0" else None, datasets)
    shown = [schema.Figure(arm=arm, metric="test/accuracy", value=0.9, source="")]
    experiment = file.experiment.model_copy(update={"published": shown, "curves": ()})
    plan = replace(plan, file=replace(file, experiment=experiment))
    rows = [
        SimpleNamespace(params={"seed": n}, metrics={"test/accuracy": ours}) for n, ours in enumerate(OURS)
    ]
    runs = [cast("Recorded", SimpleNamespace(row=row)) for row in rows]
    (row,) = table_of(plan, Measured({arm: runs}), [])
    assert row.verdict == verdict
