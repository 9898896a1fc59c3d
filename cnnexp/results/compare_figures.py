"""The pictures of a comparison: accuracies, curves, confusion matrices, and images that tell two apart."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch

from cnnexp.data import load_dataset
from cnnexp.data.dataset import Part
from cnnexp.errors import TrackingError, UserError
from cnnexp.experiment.names import TEST_ACCURACY
from cnnexp.plugins import load_plugin
from cnnexp.results.compare import Comparison, Pair
from cnnexp.results.compare_tables import interval_of
from cnnexp.results.groups import RunGroup
from cnnexp.results.recorded import Recorded
from cnnexp.results.verdict import label_of
from cnnexp.tracking.curves import curves_of_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cnnexp.figures.sweep import Values

LOSS, ACCURACY = "val/loss", "val/accuracy"
_MOST_CURVES = 12
_MOST_MATRICES = 4  # pairs with the leader whose matrices are drawn
_SHOWN = 24  # images


def figures_of(comparison: Comparison) -> tuple[dict[str, Figure], tuple[str, ...]]:
    """Returns figures by file name, and sentences of what could not be drawn."""
    drawn = {"accuracy": _accuracy(comparison)}
    curves = _curves(comparison)
    if curves is not None:
        drawn["curves"] = curves
    notes: list[str] = []
    if comparison.metric == TEST_ACCURACY:
        drawn |= _matrices(comparison, notes)
        drawn |= _images(comparison, notes)
    return drawn, tuple(notes)


def _accuracy(comparison: Comparison) -> Figure:
    from cnnexp.figures.compare import accuracy_dots

    metric = comparison.metric
    intervals = [interval_of(group, comparison) for group in comparison.groups]
    return accuracy_dots(
        {group.label: group.values(metric) for group in comparison.groups},
        [None if one is None else one[:2] for one in intervals],
        measure="Test accuracy" if metric == TEST_ACCURACY else "Validation accuracy",
        about=about_intervals({one[2] for one in intervals if one is not None}),
        title=_headline(comparison),
    )


def about_intervals(over: set[str]) -> str:
    """Says what dots and lines are; the intervals may be of two kinds in one figure."""
    several = " or ".join(sorted(over - {"images"}))
    kinds = [f"of a mean over {several}"] if several else []
    kinds += ["of a single run over test images"] if "images" in over else []
    return f"dot: a run; line: 95 % interval {', '.join(kinds)}" if kinds else "dot: a run"


def _curves(comparison: Comparison) -> Figure | None:
    from cnnexp.figures.sweep import curves_by_value

    series = {}
    for group in comparison.groups[:_MOST_CURVES]:
        found = []
        with suppress(TrackingError):
            found = [curves_of_run(comparison.store, one.run_id, (LOSS, ACCURACY)) for one in group.runs]
        epochs = min((len(one[LOSS]) for one in found), default=0)
        if epochs:  # curves of seeds that ended early end their group's
            series[group.label] = (
                np.array([one[LOSS][:epochs] for one in found]),
                np.array([one[ACCURACY][:epochs] for one in found]),
            )
    if not series:
        return None
    several = any(len(group.runs) > 1 for group in comparison.groups)
    about = "mean and ± 1 sd of each group's runs" if several else "one run each"
    if len(comparison.groups) > _MOST_CURVES:
        about += f", the best {_MOST_CURVES} of {len(comparison.groups)}"
    return curves_by_value(series, about=about, title=curves_title(series))


def curves_title(series: Mapping[str, tuple[Values, Values]]) -> str:
    """Returns what validation curves show: whose accuracy is highest in its best epoch, and whose is next.

    Args:
        series: label to (loss, accuracy), each float (runs, epochs); accuracy in [0, 1].
    """
    highest = {label: accuracy.max(axis=1).mean() for label, (_, accuracy) in series.items()}
    ranked = sorted(highest, key=lambda label: -highest[label])[:2]
    found = ", ".join(f"{label} {100 * highest[label]:.1f} %" for label in ranked)
    best_two = " (the best two)" if len(series) > len(ranked) else ""
    return f"Validation, highest accuracy{best_two}: {found}"


def _headline(comparison: Comparison) -> str:
    """Returns the finding in a line: of the leader and the next."""
    pair = comparison.pairs[0]
    first, second = pair.first.label, pair.second.label
    points = f"{100 * pair.over_runs.value:.1f} points"
    if pair.is_told:
        return f"{first} is better than {second} by {points}"
    return f"{first} leads {second} by {points}, which this data cannot tell from chance"


def _matrices(comparison: Comparison, notes: list[str]) -> dict[str, Figure]:
    from cnnexp.figures.compare import confusion_difference

    names = {one.data.class_names for group in comparison.groups for one in group.runs}
    if len(names) > 1:
        notes.append("the runs know different classes: no confusion matrices are drawn")
        return {}
    (class_names,) = names
    pairs = [pair for pair in comparison.pairs if pair.first is comparison.groups[0]][:_MOST_MATRICES]
    drawn = {}
    for number, pair in enumerate(pairs, start=1):
        of = f"{pair.first.label} and {pair.second.label}"
        drawn[f"confusion-{number}" if len(pairs) > 1 else "confusion"] = confusion_difference(
            pair.first.matrix(),
            pair.second.matrix(),
            class_names,
            labels=(pair.first.label, pair.second.label),
            title=f"{of}: {_largest(pair, class_names)}",
        )
    return drawn


def _largest(pair: Pair, class_names: tuple[str, ...]) -> str:
    """Returns the class whose recall differs most."""
    recalls = []
    for group in (pair.first, pair.second):
        matrix = group.matrix()
        recalls.append(100 * np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1))
    points = recalls[0] - recalls[1]
    most = int(np.argmax(np.abs(points)))
    return f"they differ most in {class_names[most]} ({points[most]:+.0f} points of recall)".replace("-", "−")


def _images(comparison: Comparison, notes: list[str]) -> dict[str, Figure]:
    from cnnexp.figures.compare import disagreements

    pair = comparison.pairs[0]
    if pair.over_images is None:
        notes.append(f"{label_of((pair.first, pair.second))} were tested on different images: none are shown")
        return {}
    try:
        part = _test_part_of(pair.first.runs[0])
    except UserError as error:
        notes.append(f"images cannot be shown: {error}")
        return {}
    drawn = {}
    both = (("first", pair.first, pair.second), ("second", pair.second, pair.first))
    for name, right, wrong in both:
        margin = right.share_correct() - wrong.share_correct()
        order = np.argsort(-margin, kind="stable")[: min(_SHOWN, int((margin > 0).sum()))]
        images = part.read(torch.from_numpy(order)).numpy()
        captions = [_caption(right, wrong, int(place)) for place in order]
        drawn[f"only-{name}-right"] = disagreements(
            images, captions, title=_title(right, wrong, int((margin > 0).sum()), len(margin))
        )
    return drawn


def _test_part_of(found: Recorded) -> Part:
    """Loads the data of a run.

    Raises:
        UserError: they are gone, or are not what the run was tested on.
    """
    for plugin in found.settings.plugins.plugin:
        load_plugin(plugin)
    dataset = load_dataset(found.settings.data)
    if dataset.digest != found.data.digest:
        raise UserError(f"the data of {dataset.name} have changed since run {found.label} was trained.")
    return dataset.test


def _caption(right: RunGroup, wrong: RunGroup, place: int) -> str:
    names = right.runs[0].data.class_names
    label = names[right.runs[0].predictions.labels[place]]
    taken: NDArray[np.int64] = np.array([one.predictions.predicted[place] for one in wrong.runs])
    mistakes = taken[taken != right.runs[0].predictions.labels[place]]
    most = names[int(np.bincount(mistakes).argmax())]
    if len(right.runs) == len(wrong.runs) == 1:
        return f"is {label},\ntaken for {most}"
    hits = sum(bool(one.predictions.correct[place]) for one in right.runs)
    return f"is {label},\nright {hits} of {len(right.runs)};\n{most} {len(mistakes)} of {len(wrong.runs)}"


def _title(right: RunGroup, wrong: RunGroup, count: int, total: int) -> str:
    of = f"{count:,} of {total:,} test images"
    if len(right.runs) == len(wrong.runs) == 1:
        return f"{right.label} is right and {wrong.label} wrong on {of}"
    return (
        f"More runs of {right.label} than of {wrong.label} are right on {of}; below each: how many of "
        f"{right.label}, and what {wrong.label} takes it for"
    )
