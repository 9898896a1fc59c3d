"""The pieces of a report, from made values."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from cnnexp.results.recorded import Predictions
from cnnexp.results.report import matrix as matrices
from cnnexp.results.report.drawing import learning_curves
from cnnexp.results.report.markdown import as_html
from cnnexp.results.report.matrix import matrix_cells, worst_mistakes
from cnnexp.results.report.page import render
from cnnexp.results.report.run_tables import balance_table, class_table, settings_tables
from cnnexp.results.report.run_view import RunView
from cnnexp.results.report.thumbnails import data_uri
from cnnexp.settings import Given, resolve
from cnnexp.training.metrics import confusion_matrix


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        ({"epochs": 2, "device": "cpu"}, {"epochs": "2", "device": "cpu"}),
        ({"epochs": 2, "model_args": {"padding": 2}}, {"epochs": "2", "model_args": "padding=2"}),
        (None, {"epochs": "2", "model_args": "activation=relu, padding=2"}),
    ],
    ids=["a choice that auto would not make", "an argument of the model", "nothing recorded"],
)
def test_what_a_run_resolved_itself_is_no_setting_that_differs(
    chosen: dict[str, object] | None, shown: dict[str, str]
) -> None:
    resolved = {"epochs": 2, "device": "cpu", "image_size": 28, "threads": 3, "normalize": "dataset"}
    given = {**resolved, "model_args": {"activation": "relu", "padding": 2}}
    changed, others = settings_tables(
        resolve({name: Given(value, "test") for name, value in given.items()}), chosen
    )
    assert {row[0].text: row[1].text for row in changed.rows} == shown
    left = {row[0].text: row[1].text for row in others.rows}
    assert left["threads"] == "3 (by default: 0)"
    assert not shown.keys() & left.keys()


@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_the_balance_of_any_number_of_classes_is_a_number_with_a_bar_beside_it(num_classes: int) -> None:
    names = tuple(f"class {label}" for label in range(num_classes))
    counts = {part: [9 * (label + 1) for label in range(num_classes)] for part in ("train", "val", "test")}
    view = RunView({}, data={"data set": "made"}, balance=balance_table(names, counts))
    page = render("title", "about", run=view)
    widths = re.findall(r'(\d+)<span class="track"><span style="width:([\d.]+)%">', page)
    assert len(widths) == 3 * num_classes
    most = 9 * num_classes
    assert all(float(width) == pytest.approx(100 * int(count) / most, abs=0.06) for count, width in widths)


def predictions_of(num_classes: int, count: int) -> Predictions:
    generator = np.random.default_rng(0)
    labels, predicted = generator.integers(0, num_classes, (2, count))
    return Predictions(np.arange(count), labels, predicted, generator.random(count))


@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_a_matrix_of_any_number_of_classes_fits_on_a_page(num_classes: int) -> None:
    names = tuple(f"class {label}" for label in range(num_classes))
    predictions = predictions_of(num_classes, 2000)
    matrix = confusion_matrix(predictions.labels, predictions.predicted, num_classes)
    view = RunView({}, class_names=names, matrix=matrix_cells(matrix, predictions, None))
    view.classes = class_table(matrix, names)
    page = render("title", "about", run=view)
    assert page.count('<button type="button" data-cell=') == (matrix > 0).sum()
    assert len(page) < 2_500_000


def test_the_most_telling_images_of_a_cell_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "MOST_SHOWN", 2)
    sure = np.array([0.6, 0.9, 0.7, 0.5, 0.8, 0.99])
    labels = np.array([0, 0, 0, 1, 1, 1])
    predictions = Predictions(np.arange(6), labels, np.zeros(6, np.int64), sure)
    cells = matrix_cells(confusion_matrix(labels, predictions.predicted, 2), predictions, None)
    shown = [[[entry.probability for entry in cell.entries] for cell in row] for row in cells]
    assert shown == [[[0.6, 0.7], []], [[0.99, 0.8], []]]
    assert [[cell.count for cell in row] for row in cells] == [[3, 0], [3, 0]]
    assert worst_mistakes(predictions, 2) == [5, 4]


class GreyImages:
    def read(self, rows: list[int]) -> torch.Tensor:
        return torch.zeros(len(rows), 1, 4, 4, dtype=torch.uint8)

    def name_of(self, row: int) -> str:
        return f"image {row}"


def test_a_file_that_would_grow_too_large_is_cut_alike_for_all_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions = predictions_of(3, 900)
    matrix = confusion_matrix(predictions.labels, predictions.predicted, 3)
    one = len(data_uri(torch.zeros(1, 4, 4, dtype=torch.uint8)))
    monkeypatch.setattr(matrices, "IMAGE_CHARACTERS", 9 * 5 * one - 1)
    cells = matrix_cells(matrix, predictions, GreyImages())  # type: ignore[arg-type]
    assert {len(cell.entries) for row in cells for cell in row} == {5}


@pytest.mark.parametrize(("shape", "size"), [((1, 28, 28), (28, 28)), ((3, 300, 200), (64, 96))])
def test_a_thumbnail_is_the_image_made_small(shape: tuple[int, int, int], size: tuple[int, int]) -> None:
    pixels = torch.full(shape, 200, dtype=torch.uint8)
    kind, _, content = data_uri(pixels).partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert kind == f"data:image/{(image.format or '').lower()}"
    assert image.size == size
    assert np.abs(np.asarray(image.convert("L"), dtype=int) - 200).max() < 4


def test_curves_take_the_ink_of_the_page_and_their_texts_stay_texts() -> None:
    row = {"train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5}
    figure = learning_curves(
        [{"epoch": n, **row} for n in (1.0, 2.0)], best_epoch=2, monitor="</text><script>"
    )
    assert "currentColor" in figure.svg
    assert "#222222" not in figure.svg
    assert "<script>" not in figure.svg
    assert ">Epoch</text>" in figure.svg


def test_a_note_is_markdown_that_runs_nothing_and_fetches_nothing() -> None:
    text = "**bold** <img src=x onerror=alert(1)> ![a picture](http://far/away.png) [go](javascript:alert(1))"
    html = as_html(text)
    assert "<strong>bold</strong>" in html
    assert "<img" not in html
    assert 'href="javascript' not in html
