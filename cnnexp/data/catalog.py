"""Lists the registered data sets for people; loads no image and imports no decoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cnnexp.data.registry import DATASETS


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One line of `cnnexp datasets`; what is not known beforehand is empty.

    Attributes:
        name: what `--dataset` takes.
        summary: one line.
        images: how many.
        image_size: height × width in pixels.
        channels: 1 or 3.
        classes: how many.
        where: where it lies on this machine, or how to get it.
        on_disk: it lies on this machine.
    """

    name: str
    summary: str
    images: str
    image_size: str
    channels: str
    classes: str
    where: str
    on_disk: bool


def describe_datasets(data_dir: str | Path | None = None) -> list[DatasetRow]:
    """Returns a row for each registered data set, by name; `data_dir` defaults to ./data."""
    folder = Path(data_dir or "data").expanduser()
    rows = []
    for entry in DATASETS:
        place = entry.locate(folder)
        size = entry.image_size
        rows.append(
            DatasetRow(
                name=f"{entry.name}:PATH" if entry.takes_path else entry.name,
                summary=entry.summary,
                images=entry.num_images,
                image_size=f"{size[0]}×{size[1]}" if size else "",
                channels=str(entry.channels or ""),
                classes=str(entry.num_classes or ""),
                where=place or entry.how_to_get,
                on_disk=place is not None,
            )
        )
    return rows
