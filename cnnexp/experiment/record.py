"""What a run leaves behind: files, figures, tables and the model, in the run's folder and in MLflow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np
import torch

from cnnexp import figures
from cnnexp.data.dataset import Part
from cnnexp.experiment.assemble import Assembly, batches
from cnnexp.experiment.chosen import chosen_text
from cnnexp.experiment.convolutions import choices_of
from cnnexp.experiment.names import CHOSEN_FILE, DATASET_FILE, EPOCHS_FILE, MODEL_NAME, SETTINGS_FILE
from cnnexp.experiment.result import TestResult
from cnnexp.experiment.tables import csv_table
from cnnexp.models import layer_table
from cnnexp.settings import Settings, write_settings
from cnnexp.tracking import environment
from cnnexp.tracking.run import Run
from cnnexp.training import checkpoint
from cnnexp.training.events import EpochReport
from cnnexp.training.judges import best_of
from cnnexp.training.metrics import accuracy_interval, class_report, confusion_matrix
from cnnexp.training.step import Stepper

SAMPLE_SIZE = 32  # images in the sample figure
NUM_MISTAKES = 24


def record_start(run: Run, assembly: Assembly) -> None:
    """Writes what is known before training: settings, data, network, environment."""
    table = layer_table(assembly.torch_network, assembly.dataset.spec)
    counts = {"num_parameters": table.parameters, "macs": table.macs}
    if table.trainable_parameters < table.parameters:
        counts["num_trainable_parameters"] = table.trainable_parameters
    run.log_params({**assembly.params(), **counts})
    settings = assembly.settings
    run.set_tags({"model": settings.network.model, "dataset": assembly.dataset_name, "kind": "run"})
    record_settings(run, assembly)
    run.log_text(chosen_text(assembly.asked), CHOSEN_FILE)  # once: a run that goes on is given all of them
    run.log_text(str(table), "network/layers.txt")
    run.log_json([asdict(row) for row in table.rows], "network/layers.json")
    if settings.network.conv == "auto":
        shape = (settings.optimization.batch_size, *assembly.dataset.spec.shape)
        run.log_text(choices_of(assembly.torch_network, shape), "network/convolutions.txt")
    _record_data(run, assembly)


def record_settings(run: Run, assembly: Assembly) -> None:
    """Writes the settings that repeat the run, without passwords, and where and how it is run now."""
    run.log_text(settings_text(assembly.settings), SETTINGS_FILE)
    record_environment(run)


def record_environment(run: Run) -> None:
    """Writes where and how it is run: command, packages, machine, commit."""
    for name, content in environment.describe().items():
        run.log_text(content, f"environment/{name}")


def settings_text(settings: Settings) -> str:
    """Returns the settings file that repeats a run, without passwords."""
    uri = settings.tracking.tracking_uri
    if uri is not None:
        settings = settings.replace(tracking_uri=environment.without_passwords(uri))
    return write_settings(settings)


def _record_data(run: Run, assembly: Assembly) -> None:
    data = assembly.dataset
    parts = {"train": data.train, "val": data.val, "test": data.test}
    facts = {
        "name": data.name,
        "location": data.location,
        "digest": data.digest,
        "class_names": data.class_names,
        "image": data.spec.shape,
        "images": {name: len(part) for name, part in parts.items()},
        "images_per_class": {
            name: torch.bincount(part.labels, minlength=len(data.class_names)).tolist()
            for name, part in parts.items()
        },
        "mean": data.mean,
        "std": data.std,
        "bad_images": [asdict(bad) for bad in data.bad_images],
        "notes": data.notes,
    }
    run.log_json(facts, DATASET_FILE)
    for context in parts:
        run.log_dataset(data.name, data.digest, data.location, context)


def record_sample(run: Run, assembly: Assembly) -> None:
    """Draws some training images with their classes, as they are before augmentation and permutation."""
    data, hidden = assembly.dataset, assembly.settings.data.permute_pixels
    positions = torch.linspace(0, len(data.train) - 1, min(SAMPLE_SIZE, len(data.train))).long()
    figure = figures.sample_batch(
        data.train.read(positions).numpy(),
        data.train.labels[positions].numpy(),
        data.class_names,
        title=f"{assembly.dataset_name}: {len(positions)} of {len(data.train):,} training images"
        f"{', before their pixels are permuted' if hidden else ''}",
    )
    run.log_figure(figure, "plots/sample_batch.png")


def record_epochs(run: Run, history: Sequence[EpochReport]) -> None:
    """Writes the epoch table: all there is of the curves, also where MLflow is away or the process dies.

    It is written anew after every epoch; a server gets it once, when the run ends.
    """
    table = csv_table(history[0].as_dict(), (report.as_dict().values() for report in history))
    run.log_text(table, EPOCHS_FILE, upload=False)


def best_metrics(history: Sequence[EpochReport]) -> dict[str, float]:
    """Returns the best epoch and its values, as they stand in the runs table."""
    best = best_of(history)
    if best is None:
        return {}
    return {"best/epoch": best.epoch, "best/val_accuracy": best.val_accuracy, "best/val_loss": best.val_loss}


def evaluate_test(assembly: Assembly, stepper: Stepper) -> TestResult:
    """Evaluates the test part: called once in a run, with the best weights in the network."""
    logits, labels = stepper.predict(batches(assembly, "test").epoch(0))
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    probabilities = logits.softmax(dim=1).numpy()
    num_classes = assembly.dataset.spec.num_classes
    matrix = confusion_matrix(labels.numpy(), probabilities.argmax(axis=1), num_classes)
    return TestResult(labels.numpy(), probabilities, loss, matrix)


def test_metrics(test: TestResult) -> dict[str, float]:
    """Returns what is logged of the test part."""
    low, high = accuracy_interval(test.num_correct, len(test.labels))
    return {
        "test/accuracy": test.accuracy,
        "test/accuracy_low": low,
        "test/accuracy_high": high,
        "test/loss": test.loss,
        "test/macro_f1": float(class_report(test.matrix).f1.mean()),
    }


def record_test(run: Run, assembly: Assembly, test: TestResult) -> None:
    """Writes the confusion matrix, the per-class table and every prediction of the test part."""
    record_predictions(run, test, assembly.dataset.test, assembly.dataset.class_names, folder="test")


def record_predictions(
    run: Run, found: TestResult, part: Part, class_names: Sequence[str], *, folder: str
) -> None:
    """Writes what was predicted of a part: confusion matrix, per-class table, every image.

    Args:
        run: whose files they are.
        found: labels and probabilities in the part's order.
        part: whose images were shown.
        class_names: by label.
        folder: of the run's files.
    """
    matrix_header = ("true \\ predicted", *class_names)
    run.log_text(
        csv_table(matrix_header, _with_names(class_names, found.matrix)), f"{folder}/confusion_matrix.csv"
    )
    report = class_report(found.matrix)
    columns = (
        *(class_names, report.precision.round(6), report.recall.round(6), report.f1.round(6)),
        report.support,
    )
    header = ("class", "precision", "recall", "f1", "support")
    run.log_text(csv_table(header, zip(*columns, strict=True)), f"{folder}/per_class.csv")
    confidence = found.probabilities.max(axis=1).round(6)
    rows = zip(part.indices.tolist(), found.labels, found.predicted, confidence, strict=True)
    run.log_text(csv_table(("image", "label", "predicted", "probability"), rows), f"{folder}/predictions.csv")


def record_figures(run: Run, assembly: Assembly, history: Sequence[EpochReport], test: TestResult) -> None:
    """Draws curves, confusion matrices and the most confident mistakes."""
    record_curves(run, assembly, history)
    data = assembly.dataset
    draw_predictions(run, test, data.test, data.class_names, what=assembly.title, part_name="test")


def draw_predictions(
    run: Run, found: TestResult, part: Part, class_names: Sequence[str], *, what: str, part_name: str
) -> None:
    """Draws what was predicted of a part: confusion matrices, per-class figures, most confident mistakes.

    Args:
        run: whose figures they are.
        found: labels and probabilities in the part's order.
        part: whose images were shown.
        class_names: by label.
        what: begins every title: model and data set.
        part_name: of the part, for people.
    """
    low, high = accuracy_interval(found.num_correct, len(found.labels))
    interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    title = f"{what}: {part_name} accuracy {100 * found.accuracy:.1f} % ({interval})"
    for name, normalize in (("confusion_matrix", False), ("confusion_matrix_rates", True)):
        run.log_figure(
            figures.confusion_matrix(found.matrix, class_names, title=title, normalize=normalize),
            f"plots/{name}.png",
        )
    title = f"{what}: recall and precision per class, the hardest on top"
    run.log_figure(figures.per_class(found.matrix, class_names, title=title), "plots/per_class.png")
    confidence = found.probabilities.max(axis=1)
    wrong = np.flatnonzero(found.predicted != found.labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:NUM_MISTAKES]
    images = part.read(torch.from_numpy(worst)).numpy()
    title = (
        f"{what}: {len(wrong)} of {len(found.labels):,} {part_name} images mistaken, the most confident first"
    )
    figure = figures.mistakes(
        images, found.labels[worst], found.predicted[worst], confidence[worst], class_names, title=title
    )
    run.log_figure(figure, "plots/mistakes.png")


def record_curves(run: Run, assembly: Assembly, history: Sequence[EpochReport]) -> None:
    """Draws loss and accuracy over the epochs, the best one marked."""
    best = best_of(history)
    found = (
        f"best epoch {best.epoch} of {len(history)}: validation accuracy {100 * best.val_accuracy:.1f} %"
        if best
        else "no"
    )
    figure = figures.learning_curves(
        [report.as_dict() for report in history],
        best_epoch=best.epoch if best else 0,
        monitor=assembly.settings.training.monitor,
        title=f"{assembly.title}: {found}",
    )
    run.log_figure(figure, "plots/learning_curves.png")


def record_model(run: Run, assembly: Assembly, metrics: dict[str, float], step: int) -> str | None:
    """Logs the best model with its preprocessing inside; returns its URI, or None where that failed."""
    data = assembly.dataset
    positions = torch.arange(min(2, len(data.test)))
    example = data.test.read(positions.repeat(2)[:2]).numpy()
    return run.log_model(
        assembly.classifier(),
        name=MODEL_NAME,
        example=example,
        class_names=data.class_names,
        params={"model": assembly.settings.network.model, "dataset": assembly.dataset_name},
        metrics=metrics,
        step=step,
        extra_metadata={"image": list(data.spec.shape), "mean": list(data.mean), "std": list(data.std)},
    )


def publish_checkpoints(run: Run) -> None:
    """Delivers the checkpoints where the run's files live on a server."""
    for name in (checkpoint.BEST, checkpoint.LAST):
        if (run.folder / name).is_file():
            run.publish(name)


def describe(assembly: Assembly, metrics: dict[str, float], reason: str, *, look: int = 1) -> str:
    """Returns the run's description, in Markdown; `look` is the number of this look at the test part."""
    times = "once" if look == 1 else f"for time {look}"
    settings, data = assembly.settings, assembly.dataset
    lines = [
        f"**{settings.network.model}** on **{assembly.dataset_name}** "
        f"({data.spec}, {data.spec.num_classes} classes): "
        f"{reason}.",
        "",
    ]
    if "test/accuracy" in metrics:
        lines += [
            f"Test accuracy **{metrics['test/accuracy']:.4f}** "
            f"(95 % interval {metrics['test/accuracy_low']:.4f} "
            f"to {metrics['test/accuracy_high']:.4f}, {len(data.test):,} images), evaluated {times} with the "
            f"weights of epoch {metrics['best/epoch']:.0f}.",
            "",
        ]
    lines += [
        "Repeat it: save `settings.yaml` from the artifacts, then `cnnexp train --config settings.yaml`."
    ]
    return "\n".join(lines)


def _with_names(names: Sequence[str], matrix: Iterable[Iterable[int]]) -> Iterable[list[object]]:
    return ([name, *row] for name, row in zip(names, matrix, strict=True))
