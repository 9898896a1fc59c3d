"""The table published / ours: a row per published figure, with a verdict that follows one rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnexp.experiment.statistics import CONFIDENCE, Spread, spread_of
from cnnexp.experiment.tables import csv_table, markdown_table
from cnnexp.published.measured import Measured
from cnnexp.published.networks import Counted
from cnnexp.published.plan import Plan
from cnnexp.published.schema import Curve, Experiment, Metric, Point

RULE = (
    "Within the spread: the published value lies in the 95 % t prediction interval for one more run, mean ± "
    "t · sd · √(1 + 1/n) over n seeds. The interval shown is that of the mean, over seeds. One seed "
    "cannot tell."
)
HEADER = (
    "arm",
    "what",
    "published",
    "ours",
    "95 % interval",
    "seeds",
    "difference",
    "verdict",
    "where published",
)
NUMBERS, WORDS = HEADER[2:7], HEADER[7:]
EQUAL, DIFFERS = "equal", "differs"
AS_COUNTED, NOT_AS_COUNTED = "ours, as counted independently", "ours, not as counted independently"
WITHIN, OUTSIDE, CANNOT_TELL = "within the spread", "outside the spread", "one seed cannot tell"
# They grow with images or epochs: of fewer they are another thing.
AMOUNTS = ("seconds", "seconds_per_epoch", "times_torch", "mistaken")
REDUCED, CHANGED, NOT_MEASURED = "reduced form", "settings or data changed", "not measured"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        arm: or network.
        what: was measured.
        published: the figure; None where only ours is known.
        ours: a value per seed; of counts a single one.
        verdict: whether they agree.
        source: where it was published.
        is_curve: a point of a published curve.
        is_alike: false where the two were taken so differently that a difference would say nothing.
    """

    arm: str
    what: str
    published: float | None
    ours: tuple[float, ...]
    verdict: str
    source: str
    is_curve: bool = False
    is_alike: bool = True

    @property
    def is_count(self) -> bool:
        """True of a network that was counted; else runs were measured."""
        return self.verdict in (EQUAL, DIFFERS, AS_COUNTED, NOT_AS_COUNTED)

    @property
    def spread(self) -> Spread | None:
        """Of ours; None without any."""
        return spread_of(self.ours, share="accuracy" in self.what) if self.ours else None

    @property
    def difference(self) -> float | None:
        """Mean of ours minus published; None where one is missing, or they are not alike."""
        if self.spread is None or self.published is None or not self.is_alike:
            return None
        return self.spread.mean - self.published

    def cells(self) -> tuple[str, ...]:
        """Returns it under HEADER."""
        spread, unit = self.spread, " %" if "accuracy" in self.what else ""
        ours = interval = seeds = ""
        if spread is not None:
            ours = " ± ".join(self._text(one) for one in (spread.mean, spread.sd) if one is not None) + unit
            interval = f"{' to '.join(map(self._text, spread.interval))}{unit}" if spread.interval else ""
            seeds = "" if self.is_count else str(len(self.ours))
        published = "" if self.published is None else f"{self._text(self.published)}{unit}"
        difference = "" if self.difference is None else self._text(self.difference, sign=True)
        if self.is_count and self.difference == 0:
            difference = "0"
        return self.arm, self.what, published, ours, interval, seeds, difference, self.verdict, self.source

    def _text(self, value: float, *, sign: bool = False) -> str:
        plus = "+" if sign else ""
        if "accuracy" in self.what:
            return f"{100 * value:{plus}.2f}"
        if float(value).is_integer() and abs(value) >= 1 and not self.is_curve:
            return f"{value:{plus},.0f}"
        digits = 4 if "loss" in self.what else 1 if abs(value) >= 10 else 2  # noqa: PLR2004 - for people
        return f"{value:{plus},.{digits}f}"


def table_of(plan: Plan, measured: Measured, counted: Sequence[Counted]) -> list[Row]:
    """Returns every published figure beside ours: arms, curves, then networks."""
    experiment = plan.file.experiment
    rows = [
        _row(
            plan,
            one.arm,
            _what(one.metric, one.epoch, one.classes),
            one.value,
            measured.values(one.arm, one.metric, epoch=one.epoch, classes=one.classes),
            source=one.source,
            other_conditions=one.other_conditions,
            is_amount=one.metric in AMOUNTS,
        )
        for one in experiment.published
        if _is_run(plan, one.arm)
    ]
    rows += _unpublished(plan, measured, experiment)
    for curve in experiment.curves:
        if _is_run(plan, curve.arm):
            rows += _curve_rows(plan, curve, measured)
    return [*rows, *_count_rows(counted)]


def _is_run(plan: Plan, arm: str) -> bool:
    races = plan.race is not None and plan.file.experiment.race is not None
    return arm in plan.arms or (races and arm not in {one.name for one in plan.file.experiment.arms})


def _unpublished(plan: Plan, measured: Measured, experiment: Experiment) -> list[Row]:
    """Returns the test accuracy of arms of which none was published."""
    known = {(one.arm, one.metric) for one in experiment.published}
    return [
        _row(plan, arm, "test accuracy", None, measured.values(arm, "test/accuracy"), source="")
        for arm in plan.arms
        if (arm, "test/accuracy") not in known
    ]


def _what(metric: Metric, epoch: int | None, classes: Sequence[str] = ()) -> str:
    words = {
        "times_torch": "time, × torch's",
        "seconds": "seconds of training",
        "seconds_per_epoch": "seconds an epoch",
        "mistaken": f"{' and '.join(classes)} mistaken",
        "best/epoch": "best epoch",
    }
    text = words.get(metric, metric.replace("best/val_", "best validation ").replace("/", " "))
    return text if epoch is None else f"{text}, epoch {epoch}"


def _curve_rows(plan: Plan, curve: Curve, measured: Measured) -> Iterable[Row]:
    columns: tuple[tuple[str, Metric], ...] = (
        ("train_loss", "train/loss"),
        ("train_accuracy", "train/accuracy"),
        ("val_loss", "val/loss"),
        ("val_accuracy", "val/accuracy"),
    )
    for point in curve.points:
        for column, metric in columns:
            value = _value_at(point, column)
            if value is not None:
                ours = measured.values(curve.arm, metric, epoch=point.epoch)
                what = _what(metric, point.epoch)
                yield _row(plan, curve.arm, what, value, ours, source=curve.source, is_curve=True)


def _value_at(point: Point, column: str) -> float | None:
    value: float | None = getattr(point, column)
    return value


def _row(
    plan: Plan,
    arm: str,
    what: str,
    published: float | None,
    ours: Sequence[float],
    *,
    source: str,
    other_conditions: str = "",
    is_curve: bool = False,
    is_amount: bool = False,
) -> Row:
    is_same = plan.is_comparable(arm)
    verdict = verdict_of(published, ours) if published is not None else ""
    if published is not None and ours:
        reasons = [f"not comparable: {other_conditions}"] if other_conditions else []
        if not is_same:
            of = f", ours of {plan.epochs(arm)} epoch(s)" if is_amount else ""
            reasons.append(f"{REDUCED if plan.form == 'quick' else CHANGED}{of}")
        verdict = "; ".join(reasons) or verdict
    is_alike = not other_conditions and (is_same or not is_amount)
    return Row(arm, what, published, tuple(ours), verdict, source, is_curve, is_alike)


def verdict_of(published: float, ours: Sequence[float]) -> str:
    """Tells whether a published value is what one more run of ours could have given (RULE)."""
    if not ours:
        return NOT_MEASURED
    if len(ours) == 1:
        return CANNOT_TELL
    low, high = prediction_interval(ours)
    return WITHIN if low <= published <= high else OUTSIDE


def prediction_interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns the 95 % t interval in which one more value is expected; two values or more."""
    found = spread_of(values)
    assert found.sd is not None
    if found.sd == 0:
        return found.mean, found.mean
    from scipy.stats import t

    scale = found.sd * math.sqrt(1 + 1 / len(values))
    low, high = t.interval(CONFIDENCE, len(values) - 1, loc=found.mean, scale=scale)
    return float(low), float(high)


def _count_rows(counted: Sequence[Counted]) -> Iterable[Row]:
    for one in counted:
        for found in one.comparisons():
            name, ours = one.network.name, (float(found.ours),)
            if found.is_published:
                verdict = EQUAL if found.is_equal else DIFFERS
                yield Row(name, found.what, found.known, ours, verdict, one.network.published.source)
            else:
                verdict = AS_COUNTED if found.is_equal else NOT_AS_COUNTED
                yield Row(name, found.what, None, ours, verdict, "")


def spread_sentence(rows: Sequence[Row]) -> str | None:
    """Returns how many points of published curves lie within the spread; None where that cannot be told."""
    told = [row for row in rows if row.is_curve and row.verdict in (WITHIN, OUTSIDE)]
    if not told:
        return None
    inside = sum(row.verdict == WITHIN for row in told)
    return f"of {len(told)} points of published curves {inside} lie within the spread over seeds"


def csv_of(rows: Sequence[Row]) -> str:
    """Returns the table with plain numbers."""
    header = (
        "arm",
        "what",
        "published",
        "mean",
        "sd",
        "low",
        "high",
        "seeds",
        "difference",
        "verdict",
        "source",
    )
    return csv_table(header, map(_plain, rows))


def _plain(row: Row) -> tuple[object, ...]:
    spread = row.spread
    mean, sd = (spread.mean, spread.sd) if spread is not None else (None, None)
    low, high = (spread and spread.interval) or (None, None)
    numbers = ("" if one is None else f"{one:.10g}" for one in (row.published, mean, sd, low, high))
    difference = "" if row.difference is None else f"{row.difference:.10g}"
    return row.arm, row.what, *numbers, len(row.ours), difference, row.verdict, row.source


def markdown_of(rows: Sequence[Row]) -> str:
    """Returns the table in Markdown; empty columns are left out."""
    cells = [row.cells() for row in rows]
    kept = [at for at in range(len(HEADER)) if at < 2 or any(row[at] for row in cells)]  # noqa: PLR2004
    lines = [[row[at] for at in kept] for row in cells]
    return markdown_table([HEADER[at] for at in kept], lines, names=2, words=WORDS)
