"""The questions of an experiment, answered in sentences from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cnnexp.published import schema
from cnnexp.published.compared import Compared, tell
from cnnexp.published.measured import Measured
from cnnexp.published.networks import Counted, measures
from cnnexp.settings import ComputeSettings

NOT_RUN = "not measured in this form"


@dataclass(frozen=True, slots=True)
class Ground:
    """What answers are made from.

    Attributes:
        measured: the runs.
        counted: networks by name.
        compute: where speed is measured.
        batch_size: of measured speed; None: as the question has it.
        race_says: sentences of the race.
    """

    measured: Measured
    counted: Mapping[str, Counted]
    compute: ComputeSettings
    batch_size: int | None = None
    race_says: tuple[str, ...] = ()


def answer(questions: Sequence[schema.Question], ground: Ground) -> list[tuple[str, list[str]]]:
    """Returns every question with the sentences that answer it; differences are judged all together."""
    drafts = [
        (asked.ask, [said for one in asked.answers for said in _KINDS[one.kind](one, ground)])
        for asked in questions
    ]
    told = iter(tell([said for _, draft in drafts for said in draft if isinstance(said, Compared)]))
    return [
        (ask, [next(told) if isinstance(said, Compared) else said for said in draft]) for ask, draft in drafts
    ]


def _hidden_layers(asked: schema.HiddenLayers, ground: Ground) -> list[str]:
    from cnnexp.models import layer_table, outline_model

    counted = ground.counted[asked.network]
    network = outline_model(counted.network.model, counted.spec, counted.network.model_args)
    lines = layer_table(network, counted.spec, depth=1).rows
    weighted = [row for row in counted.table.rows if row.parameters]
    hidden = {line.name: sum(row.name.startswith(f"{line.name}.") for row in weighted) - 1 for line in lines}
    blocks = [f"{name} ({number})" for name, number in hidden.items() if number > 0]
    return [
        f"Block by block {asked.network} prints {len(lines)} shapes, and {len(weighted)} layers have "
        f"weights. The other {len(weighted) - len(lines)} are convolutions inside blocks that hold more than "
        f"one, of which only the last shape shows: {', '.join(blocks)}."
    ]


def _ratios(asked: schema.Ratios, ground: Ground) -> list[str]:
    batch_size = ground.batch_size or asked.batch_size
    both = [
        measures(ground.counted[name], batch_size=batch_size, compute=ground.compute)
        for name in (asked.network, asked.against)
    ]
    parts = [
        f"{mine / theirs:,.2f} × the {what} ({_said(what, mine)} against {_said(what, theirs)})"
        for (what, mine), theirs in zip(both[0].items(), both[1].values(), strict=True)
    ]
    return [f"{asked.network} has, against {asked.against}: {'; '.join(parts)}."]


def _said(what: str, value: float) -> str:
    if what.startswith("time"):
        return f"{1000 * value:,.3g} ms"
    if "memory" in what or what == "activations":
        return f"{value / 2**20:,.1f} MB"
    return f"{value:,.0f}"


def _counts(asked: schema.Counts, ground: Ground) -> list[str]:
    found = [ground.counted[name] for name in asked.networks]
    said = {True: "As published", False: "Not as published", None: "Counted here, none was published"}
    lines = []
    for is_so, words in said.items():
        counts = [
            f"{one.network.name} {one.table.parameters:,}" for one in found if one.is_as_published is is_so
        ]
        lines += [f"{words}: {', '.join(counts)} parameters."] if counts else []
    return lines


def _difference(asked: schema.Difference, ground: Ground) -> list[str | Compared]:
    first, *others = asked.arms
    found = {arm: _of_common_seeds(ground, asked.metric, first, arm)[0] for arm in others}
    trained, left = [arm for arm in others if found[arm]], [arm for arm in others if not found[arm]]
    if not trained:
        return [f"{first} against {', '.join(others)}: {NOT_RUN}."]
    said = [_compared(first, other, asked.metric, ground) for other in trained]
    return [*said, *([f"{', '.join(left)}: {NOT_RUN}."] if left else [])]


def _compared(one: str, other: str, metric: schema.Metric, ground: Ground, *, before: str = "") -> Compared:
    mine, theirs = _of_common_seeds(ground, metric, one, other)
    what = "test" if metric.startswith("test") else "best validation"
    means = f"{what} accuracy {100 * np.mean(mine):.2f} % and {100 * np.mean(theirs):.2f} %"
    return Compared(f"{before}{one} against {other}: {means};", mine, theirs)


def _of_common_seeds(ground: Ground, metric: schema.Metric, *arms: str) -> list[tuple[float, ...]]:
    """Returns of each arm the values of the seeds that all of them have, aligned."""
    found = [ground.measured.by_seed(arm, metric) for arm in arms]
    common = sorted(set.intersection(*(set(values) for values in found)))
    return [tuple(values[seed] for seed in common) for values in found]


def _advantage(asked: schema.Advantage, ground: Ground) -> list[str | Compared]:
    arms = (asked.arm, asked.against, asked.changed_arm, asked.changed_against)
    mine, theirs, mine_changed, theirs_changed = _of_common_seeds(ground, "test/accuracy", *arms)
    if not mine:
        return [f"{asked.arm} against {asked.against}: {NOT_RUN}."]
    return [
        _compared(asked.arm, asked.against, "test/accuracy", ground),
        _compared(*arms[2:], "test/accuracy", ground, before=f"With {asked.change}: "),
        Compared(
            f"{asked.arm}'s advantage over {asked.against}, less that with {asked.change}:",
            tuple(np.subtract(mine, theirs).tolist()),
            tuple(np.subtract(mine_changed, theirs_changed).tolist()),
        ),
    ]


def _most_confused(asked: schema.MostConfused, ground: Ground) -> list[str]:
    runs = ground.measured.arms.get(asked.arm, ())
    if not runs:
        return [f"{asked.arm}: {NOT_RUN}."]
    total = np.sum([run.matrix for run in runs], axis=0)
    both = np.triu(total + total.T, 1)
    one, other = np.unravel_index(int(both.argmax()), both.shape)
    names, each = runs[0].data.class_names, both[one, other] / len(runs)
    share = both[one, other] / max(1, int(both.sum()))
    return [
        f"{asked.arm} mistakes {names[one]} and {names[other]} most for each other: {each:,.0f} test images "
        f"a run, {100 * share:.0f} % of all its mistakes."
    ]


def _per_class(asked: schema.PerClass, ground: Ground) -> list[str]:
    runs = ground.measured.arms.get(asked.arm, ())
    if not runs:
        return [f"{asked.arm}: {NOT_RUN}."]
    total = np.sum([run.matrix for run in runs], axis=0)
    recall = np.diag(total) / np.maximum(1, total.sum(axis=1))
    order, names = np.argsort(-recall, kind="stable"), runs[0].data.class_names
    said = [f"{names[at]} {100 * recall[at]:.1f} %" for at in order]
    return [f"Found of each class by {asked.arm}, {len(runs)} run(s): {', '.join(said)}."]


def _race_found(_asked: schema.RaceFound, ground: Ground) -> list[str]:
    return [f"{one}." for one in ground.race_says] or [f"The race: {NOT_RUN}."]


def _worked_example(asked: schema.WorkedExample, _ground: Ground) -> list[str]:
    from cnnexp.convolution import ALGORITHMS, convolve

    image, kernel = (
        torch.tensor(one, dtype=torch.float64)[None, None] for one in (asked.image, asked.kernel)
    )
    expected = torch.tensor(asked.published, dtype=torch.float64)
    right: list[str] = []
    other: list[str] = []
    for name in ALGORITHMS:
        if name == "winograd" and kernel.shape[-2:] != (3, 3):
            continue  # of 3×3 kernels only
        found = convolve(image, kernel, algorithm=name)[0, 0]
        (right if torch.allclose(found, expected) else other).append(f"{name} {found.tolist()}")
    text = (
        f"published {expected.tolist()}; the same by {', '.join(one.split()[0] for one in right) or 'none'}"
    )
    return [f"{text}{'; other: ' + ', '.join(other) if other else ''}."]


_KINDS: dict[str, Callable[[Any, Ground], Sequence[str | Compared]]] = {
    "hidden-layers": _hidden_layers,
    "ratios": _ratios,
    "counts": _counts,
    "difference": _difference,
    "advantage": _advantage,
    "most-confused": _most_confused,
    "per-class": _per_class,
    "race": _race_found,
    "worked-example": _worked_example,
}
