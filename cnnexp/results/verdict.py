"""What a comparison can say, in plain sentences: which is better, by how much, or that it cannot be told."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from cnnexp.experiment.names import TEST_ACCURACY

if TYPE_CHECKING:
    from cnnexp.results.compare import Comparison, Pair
    from cnnexp.results.groups import RunGroup

RULE = (
    "Rule: better means p < 0.05 (corrected where several pairs are tested), and on the same test images "
    "also a bootstrap interval that leaves out zero. Over seeds p is Welch's t test, of two single runs "
    "McNemar's exact test."
)
_MOST = 10


def sentences_of(comparison: Comparison) -> tuple[str, ...]:
    """Returns a sentence per pair that is shown, and how p was corrected."""
    is_single = all(len(group.runs) == 1 for group in comparison.groups)
    if not comparison.num_pairs and (is_single or comparison.is_searched):
        return (_untestable(comparison),)
    found = [sentence_of(pair, comparison.metric) for pair in comparison.pairs[:_MOST]]
    if len(comparison.pairs) > _MOST:
        found.append(f"And {len(comparison.pairs) - _MOST} more pairs, in the table.")
    if comparison.num_pairs > 1:
        found.append(
            f"p is corrected for all {comparison.num_pairs} pairs that can be tested (Benjamini and "
            "Yekutieli's false discovery rate)."
        )
    return tuple(found)


def _untestable(comparison: Comparison) -> str:
    """Says once, not of every pair, that single runs without common images, or a search, tell nothing."""
    best, second = comparison.groups[:2]
    accuracy = f"{_measure(comparison.metric)} {100 * fmean(best.values(comparison.metric)):.1f} %"
    points = 100 * comparison.pairs[0].over_runs.value
    why = "each was trained once, and a seed may be lucky; several seeds of the best few would tell"
    if any(len(group.runs) > 1 for group in comparison.groups):
        accuracy = f"mean {accuracy}"
        why = (
            "trials of a search are not independent draws: its sampler chose them, and those that were "
            "pruned are missing; a full sweep (`cnnexp sweep`) or `cnnexp train --seeds 5` of the best few "
            "can tell"
        )
    return (
        f"This data cannot say which is best: {best.label} leads with {accuracy}, {points:.1f} points ahead "
        f"of {second.label}, but {why}."
    )


def _measure(metric: str) -> str:
    return "test accuracy" if metric == TEST_ACCURACY else "validation accuracy"


def sentence_of(pair: Pair, metric: str) -> str:
    """Returns what is known of two groups."""
    first, second = pair.first.label, pair.second.label
    points = 100 * pair.over_runs.value
    what = _measure(metric)
    if pair.is_told:
        return f"{first} is better than {second}, by {points:.1f} points of {what}{_evidence(pair)}."
    ahead = "they are equal" if points == 0 else f"{first} is {points:.1f} points of {what} ahead"
    return (
        f"This data cannot say which of {first} and {second} is better: {ahead}{_evidence(pair)}{_why(pair)}."
    )


def _evidence(pair: Pair) -> str:
    parts = []
    if pair.over_runs.interval is not None:
        counts = " and ".join(str(len(group.runs)) for group in (pair.first, pair.second))
        what = "runs" if pair.first.differs_in or pair.second.differs_in else "seeds"
        parts.append(f"{_interval(pair.over_runs.interval)} over {counts} {what}")
    if pair.over_images is not None:
        images = pair.over_images
        parts.append(f"{_interval(images.interval)} over {images.num_images:,} test images")
    if not parts:
        return ""
    p = "" if pair.p is None or pair.p_corrected is None else f"; p {_p(pair.p_corrected)}"
    corrected = " corrected" if pair.p != pair.p_corrected else ""
    return f" (95 % interval {', '.join(parts)}{p}{corrected})"


def _why(pair: Pair) -> str:
    """Returns what would have to be known, where something is missing."""
    if pair.p is None:
        single = [group.label for group in (pair.first, pair.second) if len(group.runs) == 1]
        return f"; of {' and of '.join(single)} there is one run only, whose seed may be lucky"
    is_told_by_runs = (
        pair.over_runs.interval is not None and pair.p_corrected is not None and pair.p_corrected < 0.05  # noqa: PLR2004
    )
    if is_told_by_runs:
        return "; the seeds tell them apart, but other test images might not"
    return ""


def scope_of(pair: Pair) -> str:
    """Returns what a statement of single runs does not cover; empty where seeds were compared."""
    if pair.over_runs.interval is None and pair.p is not None:
        return (
            "Single runs: this is of these trained networks; another seed of the same settings may turn it "
            "(`cnnexp train --seeds 5`)."
        )
    return ""


def _interval(interval: tuple[float, float]) -> str:
    low, high = (f"{100 * bound:+.1f}".replace("-", "−") for bound in interval)
    return f"{low} to {high}"


def _p(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"  # noqa: PLR2004


def label_of(groups: tuple[RunGroup, ...]) -> str:
    """Returns the groups in a few words, for titles."""
    names = [group.label for group in groups]
    return " and ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} others"  # noqa: PLR2004
