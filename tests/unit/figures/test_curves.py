"""Learning curves: right for one epoch and for 300, with the best epoch marked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.axes import Axes

from cnnexp.figures import learning_curves


def history_of(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "train_loss": 2.0 / epoch,
            "train_accuracy": 1 - 0.9 / epoch,
            "val_loss": 2.1 / epoch,
            "val_accuracy": 1 - 0.95 / epoch,
        }
        for epoch in range(1, epochs + 1)
    ]


def line(axes: Axes, label: str) -> np.ndarray:
    (found,) = [one for one in axes.lines if str(one.get_label()).startswith(label)]
    return np.asarray(found.get_xydata())


@pytest.mark.parametrize("epochs", [1, 2, 300])
def test_every_epoch_is_drawn_once_in_both_panels(epochs: int) -> None:
    history = history_of(epochs)
    figure = learning_curves(history, best_epoch=epochs, monitor="val/accuracy", title="")
    loss, accuracy = figure.axes
    for axes, name, factor in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        for label, part in (("train", "train"), ("validation", "val")):
            expected = [(row["epoch"], factor * row[f"{part}_{name}"]) for row in history]
            np.testing.assert_allclose(line(axes, label), expected)
    figure.draw_without_rendering()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == int(tick) for tick in ticks), "there is no epoch 1.5"


def test_one_epoch_is_visible_as_a_point() -> None:
    figure = learning_curves(history_of(1), best_epoch=1, monitor="val/loss", title="")
    for axes in figure.axes:
        assert all(axes.lines[index].get_marker() == "." for index in (0, 1))


def test_axes_name_their_quantity_and_unit() -> None:
    loss, accuracy = learning_curves(history_of(3), best_epoch=1, monitor="val/loss", title="").axes
    assert [loss.get_xlabel(), accuracy.get_xlabel()] == ["Epoch", "Epoch"]
    assert "nats" in loss.get_ylabel()
    assert "%" in accuracy.get_ylabel()


def test_the_best_epoch_is_marked_with_its_validation_values() -> None:
    figure = learning_curves(history_of(20), best_epoch=5, monitor="val/loss", title="")
    loss, accuracy = figure.axes
    for axes, value in ((loss, 2.1 / 5), (accuracy, 100 * (1 - 0.95 / 5))):
        assert line(axes, "best epoch")[0][0] == 5
        point = next(one for one in axes.lines if one.get_marker() == "o")
        np.testing.assert_allclose(np.asarray(point.get_xydata()), [(5, value)])
    assert loss.get_title(loc="left") == "validation at epoch 5: 0.420"
    assert accuracy.get_title(loc="left") == "validation at epoch 5: 81.0 %"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["train", "validation", "best epoch: 5 (by val/loss)"]


def test_values_that_are_not_finite_leave_a_gap() -> None:
    history = history_of(4)
    history[1]["val_loss"] = math.nan
    history[2]["train_loss"] = math.inf
    figure = learning_curves(history, best_epoch=1, monitor="val/loss", title="")
    assert np.isnan(line(figure.axes[0], "validation")[1, 1])
    assert np.isnan(line(figure.axes[0], "train")[2, 1])
    figure.draw_without_rendering()
    assert figure.axes[0].get_ylim()[1] < 10, "infinity must not stretch the axis"


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_run_without_one_finite_value_is_still_drawn(epochs: int) -> None:
    history = history_of(epochs)
    for row in history:
        row.update({name: math.nan for name in row if name != "epoch"})
    figure = learning_curves(history, best_epoch=0, monitor="val/accuracy", title="failed in epoch 1")
    figure.draw_without_rendering()
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["no finite value"] * 2
    assert len(figure.legends[0].get_texts()) == 2, "an epoch that is not there is not marked"
