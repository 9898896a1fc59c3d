"""`cnnexp predict` and `cnnexp.load`: files, folders, patterns and pixels -> classes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import cnnexp
from cnnexp.cli import cli
from cnnexp.data.photo import read_photo
from cnnexp.errors import UserError
from tests.e2e.use.conftest import Vehicles

BROKEN = {"made_empty.jpg", "made_truncated.jpg", "text_named.jpg"}


def predicted(vehicles: Vehicles, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, ["predict", "--tracking-uri", vehicles.store, *arguments], catch_exceptions=False
    )


def refused(vehicles: Vehicles, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["predict", "--tracking-uri", vehicles.store, *arguments])
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture
def classifier(vehicles: Vehicles) -> cnnexp.Classifier:
    return cnnexp.load("last", vehicles.store)


def test_the_test_images_get_the_classes_that_training_gave_them(
    vehicles: Vehicles, classifier: cnnexp.Classifier
) -> None:
    of_test = vehicles.recorded.predictions
    photos = [vehicles.photos[row] for row in of_test.images]
    found = classifier.predict(photos)
    assert found.class_names == ("bus", "car", "truck")
    assert (found.labels == of_test.predicted).all()
    np.testing.assert_allclose(found.probabilities.max(axis=1), of_test.probability, atol=1e-5)
    assert found.classes == [found.class_names[label] for label in found.labels]
    rows = table(predicted(vehicles, "vehicles", *map(str, photos)).stdout)
    assert [row["file"] for row in rows] == [str(photo) for photo in photos]
    assert [row["class"] for row in rows] == found.classes


def test_pixels_are_brought_to_the_frame_as_files_are(
    vehicles: Vehicles, classifier: cnnexp.Classifier
) -> None:
    Image.open(vehicles.photos[0]).convert("RGBA").save("photo.png")
    image = Image.open("photo.png")
    pixels = np.asarray(image)
    framed = torch.from_numpy(read_photo(Path("photo.png"), classifier.frame).copy())
    expected = classifier.predict("photo.png").probabilities[0]
    cases: list[tuple[Any, int]] = [
        (Path("photo.png"), 1),
        (image, 1),
        (pixels, 1),
        (np.stack([pixels] * 3), 3),
        (torch.from_numpy(pixels.copy()).permute(2, 0, 1), 1),
        (framed.permute(2, 0, 1)[None].repeat(150, 1, 1, 1), 150),
        ([image, "photo.png", pixels, framed.permute(2, 0, 1)], 4),
    ]
    for given, count in cases:
        found = classifier.predict(given)
        assert len(found) == count
        np.testing.assert_allclose(found.probabilities, np.stack([expected] * count), atol=1e-6)
    assert image.mode == "RGBA"
    grey = classifier.predict(image.convert("L")).probabilities
    np.testing.assert_array_equal(classifier.predict(np.asarray(image.convert("L"))).probabilities, grey)
    assert len(classifier.predict([])) == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"an array of shape (3, 8, 8) is no image; give paths,"),
        (np.zeros((8, 8, 3)), "an array of float64 is no image (pixels are 0 to 255)"),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), "a tensor of shape (8, 8, 3) is no image"),
        (torch.zeros(3, 8, 8), "a tensor of torch.float32 is no image"),
        (7, "int 7 is no image"),
        (["no.jpg"], "image 0 (no.jpg) cannot be read: does not exist"),
        (".", "image 0 (.) cannot be read: is a folder."),
    ],
)
def test_what_is_no_image_is_said(classifier: cnnexp.Classifier, given: object, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        classifier.predict(given)  # type: ignore[arg-type]
    assert str(error.value).startswith(sentence)


def test_threads_of_torch_are_as_before(classifier: cnnexp.Classifier) -> None:
    torch.set_num_threads(2)
    classifier.predict(np.zeros((5, 32, 32, 3), np.uint8))
    assert torch.get_num_threads() == 2


def test_odd_files_are_read_and_broken_ones_named_and_counted(vehicles: Vehicles, shared_data: Path) -> None:
    odd = shared_data / "odd_files"
    result = predicted(vehicles, "last", str(odd), str(odd / "made_ok.jpg"))
    rows = table(result.stdout)
    names = {file.name for file in odd.iterdir()}
    assert {Path(row["file"]).name for row in rows} == names - BROKEN
    assert len(rows) == len(names) - len(BROKEN)  # the one named twice stands once
    assert result.exit_code == 0
    for name in BROKEN:
        assert f"{name}: " in result.stderr
    assert f"{len(rows)} images in" in result.stderr
    assert "3 could not be read and are left out" in result.stderr
    assert "none of the 1 files could be read" in refused(vehicles, "last", str(odd / "made_empty.jpg"))


def test_folders_and_patterns_are_searched_and_tables_written(vehicles: Vehicles, shared_data: Path) -> None:
    shutil.copytree(shared_data / "vehicles" / "bus", "photos/deep/bus")
    shutil.copy(vehicles.photos[-1], "photos/[1].jpg")
    Path("photos/notes.txt").write_text("no image, and not looked at")
    count = len(list(Path("photos").rglob("*.jpg")))
    assert predicted(vehicles, "last", "photos", "-o", "out.csv", "--top", "2").stdout == ""
    rows = table(Path("out.csv").read_text())
    assert len(rows) == count
    assert list(rows[0]) == ["file", "class", "probability", "class_2", "probability_2"]
    assert float(rows[0]["probability"]) >= float(rows[0]["probability_2"])
    predicted(vehicles, "last", "photos/**/*.jpg", "photos/[1].jpg", "-o", "out.json", "--top", "9")
    objects = json.loads(Path("out.json").read_text())
    by_file = {row["file"]: row["class"] for row in rows}
    assert {one["file"]: one["class"] for one in objects} == by_file
    assert sum(one["probability"] for one in objects[0]["top"]) == pytest.approx(1, abs=1e-5)
    as_json = predicted(vehicles, "last", "photos/[1].jpg", "--format", "json").stdout
    (one,) = json.loads(as_json)
    assert set(one) == {"file", "class", "probability"}
    assert not list(Path().glob("*.part"))


def test_bad_input_is_one_sentence(vehicles: Vehicles) -> None:
    Path("empty").mkdir()
    Path("there.csv").write_text("mine")
    photo = str(vehicles.photos[0])
    for arguments, sentence in (
        (["nobody", photo], "no run 'nobody'"),
        (["last", "empty"], "the folder empty holds no images (.avif, "),
        (["last", "no.jpg"], "'no.jpg' does not exist; give image files"),
        (["last", "*.jpg"], "no file matches '*.jpg'"),
        (["last", photo, "-o", "there.csv"], "--output there.csv exists; give --force"),
        (["last", photo, "-o", "out.txt"], "--output out.txt must end with .csv or .json"),
        (["last", photo, "-o", "out.csv", "--format", "json"], "--format json and --output out.csv"),
        (["last", photo, "--device", "cuda:77"], "cuda:77"),
    ):
        assert sentence in refused(vehicles, *arguments)
    assert Path("there.csv").read_text() == "mine"
    predicted(vehicles, "last", photo, "-o", "there.csv", "--force")
    assert len(table(Path("there.csv").read_text())) == 1
