"""What a run recorded, as the tables of its page: settings, data, network, epochs, classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.results.report.elements import NOTHING, Cell, Table, number, percent, texts, word
from cnnexp.settings import Settings, declarations
from cnnexp.training.metrics import class_report

# Where these are left to the run, it sees what it has: they tell a choice only where one was recorded.
RESOLVED = {"model_args", "image_size", "normalize", "device", "memory_format", "threads"}
PARTS = {"train": "training", "val": "validation", "test": "test"}


def settings_tables(settings: Settings, chosen: Mapping[str, Any] | None) -> tuple[Table, Table]:
    """Returns the settings that were chosen, and the others.

    Args:
        settings: resolved.
        chosen: those that were given and that the run would not have resolved in the same way; None where
            that is not known: then what it resolves itself counts as not chosen.
    """
    values = settings.flat()
    if chosen is None:
        chosen = {"model_args": values["model_args"]}
    changed: list[list[Cell]] = []
    others: list[list[Cell]] = []
    for name, one in declarations().items():
        value, default = written(values[name]), written(one.default)
        meaning = word(one.field.description or "")
        if name in chosen and name == "model_args":
            value = written(chosen[name])
        if value != default and (name in chosen or name not in RESOLVED):
            changed.append([Cell(name, is_marked=True), word(value), word(default), meaning])
        else:
            shown = value if value == default else f"{value} (by default: {default})"
            others.append([Cell(name, is_marked=True), word(shown), meaning])
    header = ("setting", "value", "meaning")
    return (
        Table("Settings that differ from the defaults", (*header[:2], "default", header[2]), changed),
        Table("Settings left at their defaults", header, others),
    )


def written(value: object) -> str:
    """Returns a setting as a settings file has it."""
    if value is None or (isinstance(value, Sized) and not len(value)):
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={written(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(written, value))
    return str(value)


def balance_table(class_names: Sequence[str], images_per_class: Mapping[str, Sequence[int]]) -> Table:
    """Returns images per class and part; the bars compare the classes of a part."""
    largest = {part: max(counts, default=0) or 1 for part, counts in images_per_class.items()}
    rows = [
        [
            word(name),
            *(
                Cell(
                    f"{images_per_class[part][label]:,}",
                    images_per_class[part][label],
                    images_per_class[part][label] / largest[part],
                    is_number=True,
                )
                for part in PARTS
            ),
        ]
        for label, name in enumerate(class_names)
    ]
    return Table("Images per class and part", ("class", *PARTS.values()), rows)


def network_table(layers: Sequence[Mapping[str, Any]]) -> Table:
    """Returns the layers in their order, as `network/layers.json` has them."""
    total = sum(layer["parameters"] for layer in layers)
    rows = [
        [
            Cell(layer["name"], is_marked=True),
            word(layer["kind"]),
            word(_sides(layer["kernel_size"])),
            word(_sides(layer["output_shape"])),
            word(_sides(layer["receptive_field"])),
            Cell(
                f"{layer['parameters']:,}",
                layer["parameters"],
                layer["parameters"] / max(total, 1),
                is_number=True,
            ),
            number(layer["macs"]),
        ]
        for layer in layers
    ]
    header = ("layer", "kind", "kernel", "output shape", "sees", "parameters", "MACs per image")
    macs = sum(layer["macs"] for layer in layers)
    caption = (
        f"{len(layers)} layers from the image to the logits: {total:,} parameters, {macs:,} MACs per image"
    )
    return Table(caption, header, rows, is_sortable=False)


def epochs_table(epochs: Sequence[Mapping[str, float]], best: int) -> Table:
    """Returns the numbers behind the curves, the best epoch marked."""
    rows = [
        [
            Cell(f"{row['epoch']:.0f}", row["epoch"], is_number=True, is_marked=row["epoch"] == best),
            number(row["train_loss"], ".4f"),
            percent(row["train_accuracy"]),
            number(row["val_loss"], ".4f"),
            percent(row["val_accuracy"]),
            number(row["lr"], ".3g"),
            number(row["seconds"], ".1f"),
        ]
        for row in epochs
    ]
    header = ("epoch", "train loss", "train acc. (%)", "val. loss", "val. acc. (%)", "learning rate", "s")
    return Table("Every epoch", header, rows)


def class_table(matrix: NDArray[np.int64], class_names: Sequence[str]) -> Table:
    """Returns precision, recall and F1 of each class, and what it is most often taken for."""
    report = class_report(matrix)
    rows = []
    for label, name in enumerate(class_names):
        mistaken = matrix[label].copy()
        mistaken[label] = 0
        most = int(mistaken.argmax())
        taken = f"{class_names[most]} ({mistaken[most]:,})" if mistaken[most] else NOTHING
        recall = float(report.recall[label]) if report.support[label] else None
        rows.append(
            [
                word(name),
                percent(float(report.precision[label])),
                percent(recall, bar=True),
                percent(float(report.f1[label])),
                number(float(report.support[label])),
                Cell(taken, float(mistaken[most])),
            ]
        )
    header = ("class", "precision (%)", "recall (%)", "F1 (%)", "images", "most often taken for")
    return Table("Precision, recall and F1 of each class, on the test part", header, rows)


def versions_table(versions: Mapping[str, str], machine: Mapping[str, str]) -> Table:
    """Returns the packages and the machine that a run was made with."""
    return Table(
        "Packages and machine", ("what", "value"), [texts(pair) for pair in {**versions, **machine}.items()]
    )


def _sides(sides: Sequence[int] | str | None) -> str:
    if sides is None:
        return NOTHING
    return sides if isinstance(sides, str) else "×".join(map(str, sides))
