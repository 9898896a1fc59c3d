"""A made photo folder with everything wrong in it: each fault is found, named, drawn and written down."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnexp.data.registry import ImageArrays, register_dataset
from cnnexp.results.inspection.files import FIGURES, TABLES, write_inspection
from cnnexp.results.inspection.inspect import Inspection, inspect_dataset
from cnnexp.results.inspection.text import class_rows, finding_rows, sentences
from cnnexp.settings import DataSettings

CLASSES = ("bus", "car")


def photo(seed: int, label: int) -> Image.Image:
    """A smooth random picture, darker at the left or at the top by its class."""
    coarse = np.random.default_rng(seed).integers(0, 120, (5, 5, 3))
    coarse[tuple([slice(None)] * (1 - label))][:2] += 100
    if not label:
        coarse = np.rot90(coarse)
    return Image.fromarray(coarse.astype(np.uint8)).resize((50, 40), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for part, count in (("train", 12), ("test", 6)):
        for label, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for index in range(count):
                file = root / part / name / f"{index:02}.png"
                photo(1000 * label + index + (500 if part == "test" else 0), label).save(file)
    shutil.copy(root / "train/bus/00.png", root / "test/bus/copy.png")  # across parts
    shutil.copy(root / "train/bus/01.png", root / "train/car/copy.png")  # two labels
    photo(1003, 1).resize((100, 80)).save(root / "test/car/near.jpg", quality=60)  # train/car/03
    (root / "train/car/broken.png").write_text("no image")
    return root


def inspected(folder: Path, *, judge_labels: bool = True) -> Inspection:
    return inspect_dataset(DataSettings(dataset=f"folder:{folder}"), judge_labels=judge_labels)


def test_every_planted_fault_is_found(folder: Path) -> None:
    found = inspected(folder)
    assert found.part_names == ("train", "test")
    assert found.counts.tolist() == [[12, 13], [7, 7]]
    assert [image.path for image in found.bad] == ["train/car/broken.png"]
    exact = {tuple(found.name_of(int(row)) for row in group) for group in found.exact}
    assert exact == {("train/bus/00.png", "test/bus/copy.png"), ("train/bus/01.png", "train/car/copy.png")}
    pairs = zip(found.near.first.tolist(), found.near.second.tolist(), strict=True)
    assert [(found.name_of(one), found.name_of(other)) for one, other in pairs] == [
        ("train/car/03.png", "test/car/near.jpg")
    ]
    assert found.suspects is not None
    assert "train/car/copy.png" in {found.name_of(int(row)) for row in found.suspects.rows}


def test_the_sentences_name_what_was_found(folder: Path) -> None:
    told = sentences(inspected(folder))
    assert told["images"].startswith(
        "39 images (25 train, 14 test) of 2 classes, read as 64×64 pixels in colour"
    )
    assert "train/car/broken.png (not an image)" in told["unreadable"]
    assert "2 images with copies, 2 of them" in told["exact duplicates"]
    assert "1 across parts, 1 with different labels" in told["exact duplicates"]
    assert "test/car/near.jpg and train/car/03.png" in told["near duplicates"]
    assert "a weak model finds weak evidence" in told["labels"]
    assert "38 PNG, 1 JPEG; 39 RGB; 50 to 100 wide, 40 to 80 high" in told["files"]


def test_tables_and_figures_are_written_and_those_of_an_earlier_inspection_removed(
    folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    found = inspected(folder)
    written = {path.name for path in write_inspection(found, target)}
    assert written == {*TABLES, *FIGURES} == {path.name for path in target.iterdir()}
    with (target / "findings.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["finding"] for row in rows[:4]] == ["unreadable", *["exact duplicate"] * 2, "near duplicate"]
    crossing = next(row for row in rows if row["image"] == "test/bus/copy.png")
    assert (crossing["part"], crossing["other part"], crossing["other image"]) == (
        "test",
        "train",
        "train/bus/00.png",
    )
    assert "| bus | 12 | 7 | 19 | 48.7 % |" in (target / "summary.md").read_text(encoding="utf-8")
    shutil.rmtree(folder / "test")
    (folder / "train/car/broken.png").unlink()
    again = inspected(folder, judge_labels=False)
    told = sentences(again)
    written = {path.name for path in write_inspection(again, target)}
    assert written == {path.name for path in target.iterdir()}
    assert "suspected_labels.png" not in written
    assert told["labels"] == "Not judged (--no-labels)."


@pytest.mark.parametrize(("num_classes", "channels"), [(2, 3), (10, 1), (100, 3), (130, 1)])
def test_sets_of_any_number_of_classes_grey_or_coloured_can_be_inspected(
    num_classes: int, channels: int, tmp_path: Path
) -> None:
    labels = np.arange(3 * num_classes) % num_classes
    generator = np.random.default_rng(0)

    @register_dataset("made")
    def made(_: Path) -> ImageArrays:
        shape = (len(labels), 12, 9, channels)
        names = [f"class {number}" for number in range(num_classes)]
        return ImageArrays(generator.integers(0, 256, shape, dtype=np.uint8), labels, names)

    found = inspect_dataset(DataSettings(dataset="made"))
    told = sentences(found)
    assert told["labels"].startswith("Not judged: that needs two classes of 5 images")
    assert told["balance"] == "All classes have 3 images."
    assert "files" not in told
    assert found.name_of(4) == "all:4"
    assert class_rows(found)[0] == ("class", "all", "share")
    assert [path.name for path in write_inspection(found, tmp_path)] == [
        *TABLES,
        "balance.png",
        "mean_images.png",
    ]
    assert not list(finding_rows(found))


def test_the_mean_image_is_that_of_the_readable_images(folder: Path) -> None:
    found = inspected(folder, judge_labels=False)
    cars = found.good[found.labels[found.good] == 1]
    expected = found.images(cars).astype(float).mean(axis=0)
    assert np.abs(found.means[2] - expected).max() <= 0.51
    assert found.means.shape == (3, 3, 64, 64)
