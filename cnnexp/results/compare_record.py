"""A comparison as a run of its own: tables, pictures and sentences, tagged with what was compared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cnnexp.experiment.run import closed_truthfully
from cnnexp.results.compare import Comparison
from cnnexp.results.compare_tables import csv_of, latex_of, markdown_of
from cnnexp.results.verdict import label_of
from cnnexp.tracking.rows import experiment_of
from cnnexp.tracking.run import Run
from cnnexp.training.events import Outcome, Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KIND = "comparison"


def log_comparison(comparison: Comparison, figures: Mapping[str, Figure]) -> Run:
    """Logs a comparison beside the first of its runs; those and their experiment stay as they are.

    Raises:
        TrackingError: the store does not take it.
    """
    store, leader = comparison.store, comparison.groups[0].runs[0]
    ids = [one.run_id for group in comparison.groups for one in group.runs]
    run = store.create_run(
        experiment_of(store, leader.run_id),
        run_name=f"comparison-{time.strftime('%m%d-%H%M%S')}",
        tags={"kind": KIND, "compared": ",".join(ids)},
    )
    with closed_truthfully(run):
        run.log_params({"compared": len(ids), "groups": len(comparison.groups), "metric": comparison.metric})
        run.log_metrics(_metrics(comparison))
        run.log_text(csv_of(comparison), "comparison/table.csv")
        run.log_text(markdown_of(comparison), "comparison/table.md")
        run.log_text(latex_of(comparison), "comparison/table.tex")
        run.log_json(_facts(comparison), "comparison/comparison.json")
        for name, figure in figures.items():
            run.log_figure(figure, f"comparison/{name}.png")
        run.set_description(markdown_of(comparison))
        run.finish(Outcome(Status.COMPLETED, f"compared {label_of(comparison.groups)}"))
    return run


def _metrics(comparison: Comparison) -> dict[str, float]:
    """Returns the first pair's figures: the leader against the next."""
    pair = comparison.pairs[0]
    found = {"comparison/difference": pair.over_runs.value}
    for name, interval in (
        ("runs", pair.over_runs.interval),
        ("images", None if pair.over_images is None else pair.over_images.interval),
    ):
        if interval is not None:
            found |= {f"comparison/low_over_{name}": interval[0], f"comparison/high_over_{name}": interval[1]}
    if pair.p_corrected is not None:
        found["comparison/p_corrected"] = pair.p_corrected
    return found


def _facts(comparison: Comparison) -> dict[str, object]:
    return {
        "metric": comparison.metric,
        "test_part": comparison.test_part,
        "same_images": comparison.same_images,
        "evaluated_anew": 0,
        "evaluations_of_the_test_part": sum(len(group.runs) for group in comparison.groups)
        if comparison.test_part
        else 0,
        "groups": [
            {"label": group.label, "run_ids": [one.run_id for one in group.runs]}
            for group in comparison.groups
        ],
        "sentences": list(comparison.sentences),
        "notes": list(comparison.notes),
    }
