"""What the run of an experiment keeps: table, answers, figures, description."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnexp.experiment.names import AGAIN
from cnnexp.experiment.record import record_environment
from cnnexp.published.measured import Measured, curve_of, size_of
from cnnexp.published.plan import Plan
from cnnexp.published.schema import Curve
from cnnexp.published.table import RULE, Row, csv_of, markdown_of, spread_sentence
from cnnexp.tracking.run import Run
from cnnexp.training.events import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARTS = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
TABLE_CSV, TABLE_MARKDOWN = "experiment/table.csv", "experiment/table.md"


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """An experiment that was run.

    Attributes:
        outcome: how it ended, and why.
        plan: what was run.
        rows: of the table published / ours.
        answers: question to sentences.
        measured: the runs behind it.
        run_id: of the parent run; None where nothing was run.
        run_name: of it.
        tracking_uri: of the store.
    """

    outcome: Outcome
    plan: Plan
    rows: Sequence[Row]
    answers: Sequence[tuple[str, Sequence[str]]]
    measured: Measured
    run_id: str
    run_name: str
    tracking_uri: str

    def conditions(self) -> list[str]:
        """Returns how the figures came about, a sentence each."""
        plan, experiment = self.plan, self.plan.file.experiment
        said = []
        if plan.form == "quick":
            said.append(f"Reduced form: {experiment.quick.what}.")
        if plan.changed:
            said.append("Settings were overridden: these are not the published experiment's figures.")
        for role, name in sorted(plan.datasets.items()):
            what = experiment.data[role].what
            said.append(f"{role}: {re.sub('^folder:.*/', 'folder:', name)} (published: {what}).")
        sizes = {arm: size_of(runs) for arm, runs in self.measured.arms.items() if runs}
        for size in dict.fromkeys(size for size in sizes.values() if size):
            said.append(f"Trained on {size}: {', '.join(arm for arm in sizes if sizes[arm] == size)}.")
        return said

    def markdown(self) -> str:
        """Returns title, conditions, table, rule and answers."""
        experiment, spread = self.plan.file.experiment, spread_sentence(self.rows)
        lines = [f"## {experiment.title}", "", experiment.about.strip(), ""]
        lines += [f"- {one}" for one in self.conditions()]
        lines += ["", markdown_of(self.rows), RULE, ""]
        lines += [f"{spread[:1].upper()}{spread[1:]}.", ""] if spread else []
        for ask, sentences in self.answers:
            lines += [f"**{ask}**", "", *(f"- {one}" for one in sentences), ""]
        return "\n".join(lines)

    def description(self) -> str:
        """Returns what the run's page shows; the many points of curves are left to the artifacts."""
        few = [row for row in self.rows if not row.is_curve]
        lines = [f"**{self.plan.file.experiment.title}**: {self.outcome.reason}.", "", *self.conditions(), ""]
        lines += [markdown_of(few)]
        for ask, sentences in self.answers:
            lines += [f"**{ask}** {' '.join(sentences)}", ""]
        save = "" if self.plan.is_shipped else f"save `{self.plan.artifact}` from the artifacts, then "
        return "\n".join([*lines, f"Repeat it: {save}`{self.plan.command()}`."])


def record_start(run: Run, plan: Plan) -> None:
    """Writes what repeats the experiment: its file, the command, packages, machine and commit."""
    run.set_tags({AGAIN: plan.command()})
    run.log_text(plan.file.path.read_text(encoding="utf-8"), plan.artifact)
    record_environment(run)


def record(run: Run, result: ExperimentResult) -> None:
    """Writes everything into the parent run; it stays open."""
    run.log_text(csv_of(result.rows), TABLE_CSV)
    run.log_text(result.markdown(), TABLE_MARKDOWN)
    run.log_metrics(_metrics(result.rows))
    for name, figure in draw(result).items():
        run.log_figure(figure, f"plots/{name}.png")
    run.set_description(result.description())


def _metrics(rows: Sequence[Row]) -> dict[str, float]:
    """Returns mean and sd of every arm's test accuracy; no sd of one seed."""
    found = {}
    for row in rows:
        if row.what == "test accuracy" and row.spread is not None:
            found[_metric_name(f"{row.arm}/test_accuracy_mean")] = row.spread.mean
            if row.spread.sd is not None:
                found[_metric_name(f"{row.arm}/test_accuracy_sd")] = row.spread.sd
    return found


def _metric_name(text: str) -> str:
    """Returns a name that MLflow takes."""
    return re.sub(r"[^\w\-. /:]", "", text)


def draw(result: ExperimentResult) -> dict[str, Figure]:
    """Returns the figures by name: published curves under ours, and the arms of a data set overlaid."""
    drawn: dict[str, Figure] = {}
    experiment, arms = result.plan.file.experiment, result.measured.arms
    for curve in experiment.curves:
        if arms.get(curve.arm):
            drawn[f"published_{_file_name(curve.arm)}"] = _published(result, curve)
    for role in result.plan.datasets:
        names = [arm.name for arm in experiment.arms if arm.data == role and arms.get(arm.name)]
        if len(names) > 1:
            drawn[f"arms_{_file_name(role)}"] = _arms(result, names)
    return drawn


def _file_name(text: str) -> str:
    return re.sub(r"\W+", "_", text)


def _published(result: ExperimentResult, curve: Curve) -> Figure:
    from cnnexp.figures.published import published_curves

    runs = result.measured.arms[curve.arm]
    ours = {part: curve_of(runs, part) for part in PARTS}
    points = {
        part: [(one.epoch, value) for one in curve.points if (value := getattr(one, part)) is not None]
        for part in PARTS
    }
    spread = spread_sentence([row for row in result.rows if row.arm == curve.arm])
    form = " (reduced form)" if result.plan.form == "quick" else ""
    found = spread or f"{len(runs)} seed(s) beside the published curve"
    return published_curves(
        ours, points, title=f"{result.plan.file.experiment.title}, {curve.arm}{form}: {found}"
    )


def _arms(result: ExperimentResult, names: Sequence[str]) -> Figure:
    from cnnexp.figures.sweep import curves_by_value

    curves, best = {}, {}
    for name in names:
        runs = result.measured.arms[name]
        curves[name] = (curve_of(runs, "val_loss"), curve_of(runs, "val_accuracy"))
        values = result.measured.values(name, "best/val_accuracy")
        best[name] = sum(values) / len(values)
    first = max(best, key=lambda name: best[name])
    form = " (reduced form)" if result.plan.form == "quick" else ""
    return curves_by_value(
        curves,
        setting="arm",
        about="a line per arm: mean over seeds, the band is ± 1 sd",
        title=f"{result.plan.file.experiment.title}{form}: {first} comes out highest in validation, "
        f"{100 * best[first]:.1f} %",
    )
