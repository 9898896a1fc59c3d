"""What the study's run holds at the end: settings, space, tables, figures, and a description."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

from optuna.study import Study

from cnnexp.tracking.run import Run
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.result import Improvement, StudyResult, TrialRow


def record_study(run: Run, plan: Plan, study: Study, result: StudyResult) -> None:
    """Writes tables, figures, the best candidate and the description; the run stays open."""
    run.set_tags({"kind": "study", "study": plan.name})
    run.log_json(describe_plan(plan), "study/study.json")
    run.log_json([asdict(row) for row in result.trials], "study/trials.json")
    run.log_text(trials_csv(plan, result.trials), "study/trials.csv")
    if len(plan.objectives) > 1:
        front = tuple(row for row in result.trials if row.number in result.front)
        run.log_text(trials_csv(plan, front), "study/pareto.csv")
    if plan.base.tracking.figures != "none":
        from cnnexp.tuning.pictures import study_figures  # importances bring scikit-learn: 1.5 s

        for name, figure in study_figures(study, plan).items():
            run.log_figure(figure, f"study/{name}.png")
    metrics: dict[str, float] = {}
    if result.best is not None:
        run.log_json({"trial": result.best.number, **result.best.params}, "study/best_params.json")
        run.set_tags({"best_trial": str(result.best.number)})
        run.log_params({f"best.{name}": value for name, value in result.best.params.items()})
        metrics |= {
            f"study/best/{name}": value
            for name, value in zip(plan.objectives, result.best.values, strict=True)
        }
    if result.improvement is not None:
        gain = result.improvement
        metrics |= {
            "study/improvement": gain.difference,
            "study/improvement_low": gain.low,
            "study/improvement_high": gain.high,
        }
    if metrics:
        run.log_metrics(metrics)
    run.set_description(describe(plan, result))


def describe_plan(plan: Plan) -> dict[str, object]:
    """Returns the study's own settings in plain types."""
    return {
        "name": plan.name,
        "space": plan.space.describe(),
        "objectives": plan.objectives,
        "trials": plan.wanted,
        "sampler": plan.sampler,
        "pruner": plan.pruner if plan.is_pruned else "none",
        "repeats": plan.repeats,
        "max_parameters": plan.max_parameters,
        "max_macs": plan.max_macs,
        "settings": plan.base.flat(),
    }


def trials_csv(plan: Plan, rows: tuple[TrialRow, ...]) -> str:
    """Returns a line per trial: number, state, objectives, what varied, facts, why it ended."""
    names = [one.name for one in plan.space.dimensions]
    facts = ["parameters", "macs", "seconds"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", *plan.objectives, *names, *facts, "epochs", "reason", "run_id"])
    for row in rows:
        values = row.values or ("",) * len(plan.objectives)
        found = [row.facts.get(name, "") for name in facts]
        params = [row.params.get(name, "") for name in names]
        writer.writerow([row.number, row.state, *values, *params, *found, row.epochs, row.reason, row.run_id])
    return text.getvalue()


def describe(plan: Plan, result: StudyResult) -> str:
    """Returns the study's description, in Markdown."""
    states = [row.state for row in result.trials]
    lines = [
        f"Study **{plan.name}**: {result.outcome.reason} ({states.count('COMPLETE')} trained to the end, "
        f"{states.count('PRUNED')} pruned, {states.count('FAIL')} failed).",
        "",
        f"Searched: {', '.join(f'{name} {text}' for name, text in plan.space.describe().items())}.",
        "",
    ]
    if result.best is not None:
        found = ", ".join(
            f"{name} {value:.4g}" for name, value in zip(plan.objectives, result.best.values, strict=True)
        )
        lines += [f"Best: trial {result.best.number}, {found}: `{json.dumps(dict(result.best.params))}`.", ""]
    if result.refit is not None and "test/accuracy" in result.refit.metrics:
        lines += [
            f"Refitted, test accuracy **{result.refit.metrics['test/accuracy']:.4f}**, evaluated once.",
            "",
        ]
    if result.improvement is not None:
        lines += [improvement_sentence(result.improvement), ""]
    if result.command:
        lines += [f"Repeat it: `{result.command}`"]
    return "\n".join(lines)


def improvement_sentence(gain: Improvement) -> str:
    """Returns what the search gained on the test part, and whether that can be told from chance."""
    points = (
        f"{100 * gain.difference:+.1f} points (95 % interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    )
    what = (
        f"Test accuracy {100 * gain.best:.1f} % against {100 * gain.default:.1f} % of the defaults: {points}"
    )
    if gain.low > 0 or gain.high < 0:
        return f"{what}."
    return f"{what}; {gain.num_images:,} images cannot tell this from chance."
