"""A run as its page shows it; what it did not come so far to record is named, not guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from markupsafe import Markup

from cnnexp.errors import UserError
from cnnexp.experiment.names import AGAIN, DATASET_FILE, SETTINGS_FILE, read_json
from cnnexp.progress import Progress, silent
from cnnexp.results.recorded import Recorded
from cnnexp.results.report import run_tables
from cnnexp.results.report.drawing import learning_curves, recorded_figure
from cnnexp.results.report.elements import Figure, Picture, Table, texts
from cnnexp.results.report.markdown import as_html
from cnnexp.results.report.matrix import MatrixCell, matrix_cells, name_of, worst_mistakes
from cnnexp.results.report.thumbnails import data_uri
from cnnexp.tracking.curves import curves_of_run
from cnnexp.tracking.search import RunRow

if TYPE_CHECKING:
    from cnnexp.results.report.images import RunImages

NUM_SAMPLES = 40
NUM_MISTAKES = 24
MANY_CLASSES = 30  # a matrix of more does not fit on a printed page
Found = TypeVar("Found")


@dataclass(slots=True)
class RunView:
    """What is shown of a run; empty where it is not there.

    Attributes:
        facts: the head of the page, name to value.
        question: the tag `question`.
        description: the run's note, from Markdown.
        tags: the user's own.
        whose: settings and curves these are, where they are not the run's own.
        changed, unchanged: settings.
        data: facts of the data set.
        data_notes: what is to be said of it: duplicates, images left out.
        bad_images: file and reason of each that could not be read.
        samples: training images, class by class.
        balance: images per class and part.
        layers: of the network.
        curves: loss and accuracy by epoch.
        epochs: the numbers behind them.
        class_names: by label.
        matrix: a row of cells per true class.
        printed_matrix: the figure that stands in for a matrix of many classes on paper.
        classes: precision, recall, F1.
        mistakes: the surest ones, worst first.
        num_mistakes, num_tested: test images.
        repeat: what repeats the run, name to value.
        settings_text: the settings file.
        again: the command that trains again from it; empty where it is not one training.
        versions: packages and machine.
        missing: sentences on what is not there, and why.
    """

    facts: dict[str, str]
    question: str = ""
    description: Markup = field(default_factory=Markup)
    tags: dict[str, str] = field(default_factory=dict)
    whose: str = ""
    changed: Table | None = None
    unchanged: Table | None = None
    data: dict[str, str] = field(default_factory=dict)
    data_notes: list[str] = field(default_factory=list)
    bad_images: Table | None = None
    samples: list[Picture] = field(default_factory=list)
    balance: Table | None = None
    layers: Table | None = None
    curves: Figure | None = None
    epochs: Table | None = None
    class_names: tuple[str, ...] = ()
    matrix: list[list[MatrixCell]] = field(default_factory=list)
    printed_matrix: Figure | None = None
    classes: Table | None = None
    mistakes: list[Picture] = field(default_factory=list)
    num_mistakes: int = 0
    num_tested: int = 0
    repeat: dict[str, str] = field(default_factory=dict)
    settings_text: str = ""
    again: str = ""
    versions: Table | None = None
    missing: list[str] = field(default_factory=list)


def view_of(recorded: Recorded, *, moved: Mapping[str, str], progress: Progress = silent) -> RunView:
    """Reads what a run recorded; its test part is not evaluated anew.

    Args:
        recorded: the run.
        moved: settings of the data that say where they lie now; see `load_images`.
        progress: called while images are decoded.
    """
    view = head_of(recorded)
    if not view.settings_text:
        view.missing.append(
            "Its settings cannot be read: it is not a training of ours, or never came so far."
        )
    images = None
    if read_or_none(lambda: recorded.data) is None:
        view.missing.append("It recorded no data set: it ended before one was loaded.")
    else:
        images = _images(view, recorded, moved=moved, progress=progress)
        _add_data(view, recorded, images)
    layers: list[dict[str, Any]] | None = read_or_none(lambda: _json(recorded, "network/layers.json"))
    view.layers = run_tables.network_table(layers) if layers else None
    _add_epochs(view, recorded)
    _add_test(view, recorded, images)
    return view


def head_of(recorded: Recorded) -> RunView:
    """Reads what every run of ours has, a parent of others too: facts, settings, surroundings."""
    tags = recorded.row.tags
    view = RunView(
        facts=_facts(recorded),
        question=tags.get("question", ""),
        description=as_html(tags.get("mlflow.note.content", "")),
    )
    _add_settings(view, recorded)
    _add_repeat(view, recorded)
    return view


def add_best_trial(view: RunView, best: Recorded, number: int) -> None:
    """Adds settings and curves of the best trial to the head of a study or sweep without a refit.

    Args:
        view: of the study's own run.
        best: the trial's run.
        number: of the trial.
    """
    view.whose = f"of the best trial, number {number}"
    _add_settings(view, best)
    _add_epochs(view, best)


def command_again(row: RunRow) -> str:
    """Returns the command that trains again from the settings file of a run; empty where none does."""
    kind = row.tags.get("kind", "run")
    if kind not in ("run", "study", "trial", "seeds"):
        return ""
    seeds = f" --seeds {row.params.get('seeds', '')}" if kind == "seeds" else ""
    return f"cnnexp train --config {SETTINGS_FILE}{seeds}"


def _facts(recorded: Recorded) -> dict[str, str]:
    row, metrics, params = recorded.row, recorded.row.metrics, recorded.row.params
    facts = {}
    if "test/accuracy" in metrics:
        interval = ""
        if "test/accuracy_low" in metrics:
            low, high = metrics["test/accuracy_low"], metrics["test/accuracy_high"]
            interval = f" (95 % interval {100 * low:.2f} to {100 * high:.2f})"
        facts["test accuracy"] = f"{100 * metrics['test/accuracy']:.2f} %{interval}"
    if "best/val_accuracy" in metrics:
        epoch = f" in epoch {metrics['best/epoch']:.0f}" if "best/epoch" in metrics else ""
        facts["best validation accuracy"] = f"{100 * metrics['best/val_accuracy']:.2f} %{epoch}"
    if "study/best/val_accuracy" in metrics:
        facts["best validation accuracy"] = f"{100 * metrics['study/best/val_accuracy']:.2f} %"
    what = {"model": params.get("model"), "data set": params.get("dataset")}
    facts |= {name: text for name, text in what.items() if text}
    if params.get("num_parameters", "").isdigit():
        facts["parameters"] = f"{int(params['num_parameters']):,}"
    facts["ended"] = row.outcome or row.status.lower()
    if row.reason and row.reason != row.outcome:
        facts["ended"] += f": {row.reason}"
    facts["started"] = f"{row.started:%Y-%m-%d %H:%M %z}"
    if row.seconds is not None:
        facts["training time"] = f"{row.seconds:,.0f} s"
    return facts


def _add_settings(view: RunView, recorded: Recorded) -> None:
    settings = read_or_none(lambda: recorded.settings)
    if settings is None:
        return
    view.changed, view.unchanged = run_tables.settings_tables(settings, read_or_none(lambda: recorded.chosen))
    view.again = command_again(recorded.row)
    view.settings_text = recorded.file(SETTINGS_FILE).read_text(encoding="utf-8")
    view.tags = {name: text for name, text in settings.tracking.tags.items() if name != "question"}


def _add_repeat(view: RunView, recorded: Recorded) -> None:
    command = read_or_none(lambda: _text(recorded, "environment/command.txt"))
    commit = read_or_none(lambda: _text(recorded, "environment/commit.txt"))
    diff = read_or_none(lambda: _text(recorded, "environment/uncommitted.diff"))
    versions: Mapping[str, str] | None = read_or_none(lambda: _json(recorded, "environment/packages.json"))
    machine: Mapping[str, str] | None = read_or_none(lambda: _json(recorded, "environment/machine.json"))
    view.repeat = {"run": recorded.run_id, "experiment": recorded.row.experiment}
    if command:
        view.repeat["command"] = command
    if AGAIN in recorded.row.tags:
        view.repeat["to repeat it"] = recorded.row.tags[AGAIN]
    if commit:
        changed = " with uncommitted changes (environment/uncommitted.diff)" if diff else ""
        view.repeat["commit"] = commit + changed
    if view.settings_text:
        view.repeat["seed"] = str(recorded.settings.training.seed)
        view.repeat["seed of the split"] = str(recorded.settings.data.split_seed)
    data = read_or_none(lambda: recorded.data)
    if data:
        view.repeat["digest of the data"] = data.digest
    if versions or machine:
        view.versions = run_tables.versions_table(versions or {}, machine or {})


def _images(
    view: RunView, recorded: Recorded, *, moved: Mapping[str, str], progress: Progress
) -> RunImages | None:
    from cnnexp.results.report.images import NoImagesError, load_images  # torch is a second

    try:
        return load_images(recorded, moved=moved, progress=progress)
    except NoImagesError as error:
        view.missing.append(f"No image is shown: {error}")
    return None


def _add_data(view: RunView, recorded: Recorded, images: RunImages | None) -> None:
    data, found = recorded.data, _json(recorded, DATASET_FILE)
    channels, height, width = data.image
    view.class_names = data.class_names
    view.data = {
        "data set": data.name,
        "place": str(found.get("location", "")),
        "images": f"{height}×{width}, {'grey' if channels == 1 else 'colour'}",
        "parts": ", ".join(f"{data.images[part]:,} {name}" for part, name in run_tables.PARTS.items()),
        "classes": f"{len(data.class_names):,}",
        "mean": ", ".join(f"{one:.4f}" for one in data.mean),
        "standard deviation": ", ".join(f"{one:.4f}" for one in data.std),
    }
    view.data_notes = [str(note) for note in found.get("notes", ())]
    bad = [texts((one["path"], one["reason"])) for one in found.get("bad_images", ())]
    view.bad_images = Table("Images that cannot be read and were left out", ("file", "why"), bad)
    view.balance = run_tables.balance_table(data.class_names, data.images_per_class)
    if images is not None:
        view.samples = _samples(images)


def _samples(images: RunImages) -> list[Picture]:
    """Returns training images in turns: one of each class, then a second, until there are enough."""
    train, names = images.dataset.train, images.dataset.class_names
    turn: dict[int, int] = {}
    ranked = []
    for position, label in enumerate(train.labels.tolist()):
        turn[label] = turn.get(label, -1) + 1
        if turn[label] < max(1, NUM_SAMPLES // len(names)):
            ranked.append((label, turn[label], position))
    chosen = sorted(ranked)[:NUM_SAMPLES]
    rows = [int(train.indices[position]) for _, _, position in chosen]
    return [
        Picture(data_uri(pixels), names[label], f"a training image of class {names[label]}")
        for pixels, (label, _, _) in zip(images.read(rows), chosen, strict=True)
    ]


def _add_epochs(view: RunView, recorded: Recorded) -> None:
    epochs = read_or_none(lambda: recorded.epochs) or _logged_epochs(recorded)
    if not epochs:
        view.missing.append("No epoch was finished: there are no curves.")
        return
    best = int(recorded.row.metrics.get("best/epoch", 0))
    monitor = recorded.settings.training.monitor if view.settings_text else "val/loss"
    view.curves = learning_curves(epochs, best_epoch=best, monitor=monitor)
    view.epochs = run_tables.epochs_table(epochs, best)


def _logged_epochs(recorded: Recorded) -> list[dict[str, float]]:
    """Returns the epochs of a trial, which has no table of them: its metrics are the only record."""
    names = {f"{part}/{what}": f"{part}_{what}" for part in ("train", "val") for what in ("loss", "accuracy")}
    names |= {"lr": "lr", "seconds": "seconds"}
    curves = read_or_none(lambda: curves_of_run(recorded.store, recorded.run_id, tuple(names)))
    if curves is None:
        return []
    count = min(map(len, curves.values()))
    return [
        {"epoch": place + 1.0, **{names[name]: curves[name][place] for name in names}}
        for place in range(count)
    ]


def _add_test(view: RunView, recorded: Recorded, images: RunImages | None) -> None:
    predictions = read_or_none(lambda: recorded.predictions)
    if predictions is None or not view.class_names:
        view.missing.append(
            "The test part was not evaluated: there is no confusion matrix, no table of classes and no list "
            "of mistakes. A run evaluates it once, when its training has come to its end."
        )
        return
    matrix = recorded.matrix
    view.matrix = matrix_cells(matrix, predictions, images)
    view.classes = run_tables.class_table(matrix, view.class_names)
    view.num_tested, view.num_mistakes = len(predictions.labels), int((~predictions.correct).sum())
    if len(matrix) > MANY_CLASSES:
        path = "plots/confusion_matrix_rates.png"
        view.printed_matrix = recorded_figure(recorded, path, alt="Confusion matrix in percent")
    if images is None:
        return
    names, worst = view.class_names, worst_mistakes(predictions, NUM_MISTAKES)
    rows = [int(predictions.images[position]) for position in worst]
    for pixels, row, position in zip(images.read(rows) if rows else (), rows, worst, strict=True):
        true, taken = names[predictions.labels[position]], names[predictions.predicted[position]]
        sure = f"{100 * predictions.probability[position]:.1f} %"
        caption = f"is {true}, taken for {taken} ({sure}); {name_of(row, position, images)}"
        view.mistakes.append(Picture(data_uri(pixels), caption, f"test image of class {true}"))


def read_or_none(read: Callable[[], Found]) -> Found | None:
    """Returns what is read of a run, or None where the run has no such file."""
    with suppress(UserError):
        return read()
    return None


def _text(recorded: Recorded, path: str) -> str:
    return recorded.file(path).read_text(encoding="utf-8").strip()


def _json(recorded: Recorded, path: str) -> Any:  # noqa: ANN401 - whatever the file holds
    return read_json(recorded.file(path))
