"""How an evaluation is recorded: a run of its own, linked to the run and to the model that it looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cnnexp.data.given import WHOLE
from cnnexp.experiment.record import draw_predictions, record_environment, record_predictions
from cnnexp.results.looks import DIGEST, EVALUATES, KIND, PART
from cnnexp.results.recorded import Recorded
from cnnexp.results.subject import Subject
from cnnexp.tracking.rows import experiment_of
from cnnexp.tracking.run import LOOK, Run

if TYPE_CHECKING:
    from cnnexp.results.evaluate import Evaluation

_PART_WORDS = {"train": "training", "val": "validation", "test": "test", WHOLE: "whole-set"}


def open_evaluation(
    recorded: Recorded, subject: Subject, *, looks: int, on_problem: Callable[[str], None]
) -> Run:
    """Opens the run of an evaluation, in the experiment of the evaluated run."""
    store, tags = recorded.store, recorded.row.tags
    return store.create_run(
        experiment_of(store, recorded.run_id),
        run_name=f"{recorded.label} on {subject.dataset} {subject.part_name}",
        tags={
            "kind": KIND,
            EVALUATES: recorded.run_id,
            "model": tags.get("model", ""),
            "dataset": subject.dataset,
            DIGEST: subject.digest,
            PART: subject.part_name,
            LOOK: str(looks),
        },
        on_problem=on_problem,
    )


def record_inputs(run: Run, subject: Subject, model_id: str | None) -> None:
    """Names what an evaluation looks at: the images, and the logged model where there is one."""
    run.log_dataset(subject.dataset, subject.digest, subject.location, "evaluation")
    if model_id is not None:
        run.log_model_input(model_id)


def record_evaluation(run: Run, evaluation: Evaluation) -> None:
    """Writes tables, figures and metrics of an evaluation."""
    subject, found, names = evaluation.subject, evaluation.found, evaluation.rebuilt.class_names
    what = f"{evaluation.rebuilt.run_name} on {subject.dataset}"
    run.log_params(
        {
            EVALUATES: evaluation.rebuilt.run_id,
            "dataset": subject.dataset,
            "part": subject.part_name,
            "num_images": len(found.labels),
            "epoch": evaluation.rebuilt.epoch,
        }
    )
    record_environment(run)
    run.log_json(_facts(evaluation), "evaluation/facts.json")
    record_predictions(run, found, subject.part, names, folder="evaluation")
    run.log_text(_bins_table(evaluation), "evaluation/reliability.csv")
    run.log_metrics(evaluation.metrics)
    part_word = _PART_WORDS[subject.part_name]
    draw_predictions(run, found, subject.part, names, what=what, part_name=part_word)
    _draw_reliability(run, evaluation, what)
    run.set_description(_describe(evaluation, what))


def _facts(evaluation: Evaluation) -> dict[str, object]:
    subject = evaluation.subject
    return {
        EVALUATES: evaluation.rebuilt.run_id,
        "epoch": evaluation.rebuilt.epoch,
        "dataset": subject.dataset,
        "location": subject.location,
        "digest": subject.digest,
        "part": subject.part_name,
        "is_own_data": subject.is_own,
        "images": len(subject.part),
        "class_names": list(evaluation.rebuilt.class_names),
        "images_per_class": evaluation.found.matrix.sum(axis=1).tolist(),
        "metrics": evaluation.metrics,
        "notes": list(evaluation.notes),
    }


def _bins_table(evaluation: Evaluation) -> str:
    lines = ["scaled,from,to,images,confidence,accuracy"]
    scaled = [(1, evaluation.calibrated.after)] if evaluation.calibrated else []
    for is_scaled, bins in [(0, evaluation.reliability), *scaled]:
        rows = zip(bins.edges, bins.edges[1:], bins.counts, bins.confidence, bins.accuracy, strict=False)
        lines += [
            f"{is_scaled},{low:.6f},{high:.6f},{count}," + (f"{said:.6f},{right:.6f}" if count else ",")
            for low, high, count, said, right in rows
        ]
    return "\n".join(lines) + "\n"


def _draw_reliability(run: Run, evaluation: Evaluation, what: str) -> None:
    from cnnexp.figures import reliability_diagram

    found, bins = evaluation.found, evaluation.reliability
    sure, right = 100 * float(found.probabilities.max(axis=1).mean()), 100 * found.accuracy
    panels = [(f"as the model says it: ECE {bins.error:.3f}", bins)]
    if evaluation.calibrated is not None:
        after = evaluation.calibrated.after
        value = evaluation.calibrated.temperature.value
        panels.append((f"under temperature {value:.3g}: ECE {after.error:.3f}", after))
    figure = reliability_diagram(
        panels,
        title=f"{what}: right {right:.1f} % of {len(found.labels):,} times, {sure:.1f} % sure on average",
        chance=1 / len(evaluation.rebuilt.class_names),
    )
    run.log_figure(figure, "plots/reliability.png")


def _describe(evaluation: Evaluation, what: str) -> str:
    metrics, subject = evaluation.metrics, evaluation.subject
    lines = [
        f"**{what}**, {_PART_WORDS[subject.part_name]} images: accuracy **{metrics['eval/accuracy']:.4f}** "
        f"(95 % interval {metrics['eval/accuracy_low']:.4f} to {metrics['eval/accuracy_high']:.4f}, "
        f"{len(subject.part):,} images), ECE {metrics['eval/ece']:.4f}.",
        *evaluation.notes,
        f"The model is that of run {evaluation.rebuilt.run_id}.",
    ]
    return "\n\n".join(lines)
