"""`cnnexp evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cnnexp.cli.named import check_runs
from cnnexp.cli.signals import sigterm_as_ctrl_c

if TYPE_CHECKING:
    from cnnexp.results.evaluate import Evaluation

_HARDEST = 3  # classes that are named


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--dataset", metavar="NAME", help="Registered data set, or folder:PATH.  [default: the run's]")
@click.option(
    "--part",
    type=click.Choice(["test", "val", "train", "all"]),
    help="Which images.  [default: test where the set has a test part, else all]",
)
@click.option(
    "--calibrate", is_flag=True, help="Fit a temperature on the run's own validation part, and apply it."
)
@click.option("--data-dir", envvar="CNNEXP_DATA_DIR", help="Folder where data sets lie; else as in the run.")
@click.option("--device", default="auto", show_default=True, help="Where to compute: auto, cpu, cuda, mps.")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
@click.option("-q", "--quiet", is_flag=True, help="Print the final result only.")
def evaluate(*, quiet: bool, **options: Any) -> None:  # noqa: ANN401 - handed on as they are
    """Evaluate a finished model on other data, or on another part of its own.

    RUN is an id, the start of one, a name, last, best, or the URI of a model. Images are read in the model's
    size and colour, classes are matched by name. It is recorded as a run of its own.
    """
    check_runs([options["run"]], options["tracking_uri"])
    from cnnexp.cli.terminal import Terminal

    with sigterm_as_ctrl_c(), Terminal(quiet=quiet) as terminal:
        from cnnexp.results.evaluate import evaluate as run_evaluation

        found = run_evaluation(**options, listener=terminal)
    _say(found, options["tracking_uri"])


def _say(found: Evaluation, tracking_uri: str | None) -> None:
    from rich.table import Table

    from cnnexp.cli.tables import print_rows
    from cnnexp.tracking.environment import without_passwords
    from cnnexp.tracking.ui import is_server

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in (*_lines(found), *_places(found, tracking_uri)):
        table.add_row(name, value)
    print_rows(table)
    if is_server(found.recorded.store.uri):  # not in the table, which would break a long address into lines
        click.echo(found.run.page(without_passwords(found.recorded.store.uri).replace("***@", "")))


def _lines(found: Evaluation) -> list[tuple[str, str]]:
    from rich.markup import escape

    metrics, subject = found.metrics, found.subject
    low, high = metrics["eval/accuracy_low"], metrics["eval/accuracy_high"]
    which = "all parts" if subject.part_name == "all" else f"{subject.part_name} part"
    lines = [
        ("model", escape(f"{found.rebuilt.run_name}  {found.rebuilt.run_id}")),
        ("images", escape(f"{len(subject.part):,} of {subject.dataset}, {which}")),
        ("accuracy", f"[bold]{metrics['eval/accuracy']:.4f}[/]  (95 % interval {low:.4f} to {high:.4f})"),
    ]
    if "eval/top5_accuracy" in metrics:
        lines.append(("among first 5", f"{metrics['eval/top5_accuracy']:.4f}"))
    lines += [
        ("loss", f"{metrics['eval/loss']:.4f}"),
        ("macro F1", f"{metrics['eval/macro_f1']:.4f}"),
        ("hardest", escape(_hardest(found))),
        ("calibration", _calibration(found)),
    ]
    if found.calibrated is not None:
        lines.append(("temperature", _temperature(found)))
    return lines


def _places(found: Evaluation, tracking_uri: str | None) -> list[tuple[str, str]]:
    """Returns what was made, and where it is seen; the URI as it was given."""
    from rich.markup import escape

    from cnnexp.cli.terminal import bold, completed
    from cnnexp.settings import TrackingSettings

    run, recorded = found.run, found.recorded
    made = {"metrics": list(found.metrics)}
    for kind, folder in (("figures", "plots/"), ("tables", "evaluation/")):
        made[kind] = [path for path in run.written if path.startswith(folder)]
    where = [("files in", str(run.folder))] if run.folder.is_dir() else []  # else the server has them
    tracking = TrackingSettings(tracking_uri=tracking_uri, experiment=recorded.row.experiment)
    return [
        *((kind, escape(", ".join(names))) for kind, names in made.items()),
        *((name, escape(text)) for name, text in where),
        ("run", escape(f"{run.name}  {run.id}")),
        ("look", bold(completed("cnnexp ui", tracking, "experiment"))),
    ]


def _hardest(found: Evaluation) -> str:
    from cnnexp.training.metrics import class_report

    report = class_report(found.found.matrix)
    present = [label for label in report.recall.argsort(kind="stable") if report.support[label]]
    return ", ".join(
        f"{found.rebuilt.class_names[label]} ({report.recall[label]:.2f} of {report.support[label]} found)"
        for label in present[:_HARDEST]
    )


def _calibration(found: Evaluation) -> str:
    sure = float(found.found.probabilities.max(axis=1).mean())
    return f"ECE {found.metrics['eval/ece']:.4f} (15 bins); {sure:.4f} sure on average"


def _temperature(found: Evaluation) -> str:
    metrics, calibrated = found.metrics, found.calibrated
    assert calibrated is not None
    bound = " (no finite answer: the end of the range searched)" if calibrated.temperature.is_bound else ""
    return (
        f"{metrics['calibration/temperature']:.4g}{bound}, fitted on the run's validation part (ECE there "
        f"{metrics['calibration/val_ece']:.4f}, then {metrics['calibration/val_ece_scaled']:.4f}); here ECE "
        f"{metrics['eval/ece_scaled']:.4f}, loss {metrics['eval/loss_scaled']:.4f}"
    )
