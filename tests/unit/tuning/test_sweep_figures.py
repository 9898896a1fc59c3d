"""The pictures of a sweep: values in the order given, each with its seeds, titles that claim no more."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from cnnexp.figures.sweep import curves_by_value
from cnnexp.settings import TrackingSettings
from cnnexp.training.events import Outcome, Status
from cnnexp.tuning.compare import Cell, best_first, effect_of, sentence_of
from cnnexp.tuning.result import SweepResult
from cnnexp.tuning.sweep_report import ACCURACY, LOSS, sweep_figures


def drawn(*accuracies: tuple[float, ...], epochs: int = 3) -> dict[str, Figure]:
    cells, curves = [], {}
    for number, found in enumerate(accuracies):
        ids = {seed: f"{number}-{seed}" for seed in range(len(found))}
        by_seed = dict(enumerate(found))
        cells.append(Cell({"lr": 0.1**number}, by_seed, by_seed, {}, ids))
        for seed, value in by_seed.items():
            curves[ids[seed]] = {LOSS: [1 - value] * (epochs + number), ACCURACY: [value] * (epochs + number)}
    effect = effect_of("lr", cells)
    result = SweepResult(
        outcome=Outcome(Status.COMPLETED, ""),
        name="s",
        varied=("lr",),
        cells=tuple(best_first(cells)),
        effects=(effect,),
        sentences=(sentence_of(effect),),
        command="",
        run_id="",
        experiment_id="",
        tracking_uri="",
        tracking=TrackingSettings(),
        storage="",
    )
    figures = sweep_figures(result, curves)
    for figure in figures.values():
        figure.canvas.draw()
    return figures


def title_of(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


@pytest.mark.parametrize("count", [2, 9, 60])
def test_any_number_of_values_is_drawn(count: int) -> None:
    assert set(drawn(*([(0.5, 0.6)] * count))) == {"curves_lr", "cells", "main_effects"}


def test_nothing_trained_has_no_pictures() -> None:
    assert drawn((), ()) == {}


def test_curves_stand_in_the_order_given_with_a_band_of_the_seeds() -> None:
    _, accuracy = drawn((0.5, 0.6), (0.8, 0.9))["curves_lr"].axes
    assert [line.get_label() for line in accuracy.lines] == ["lr = 1", "lr = 0.1"]
    np.testing.assert_allclose(np.asarray(accuracy.lines[0].get_ydata()), np.full(3, 55.0))
    assert len(accuracy.collections) == 2


@pytest.mark.parametrize("count", [2, 7, 12])
def test_no_two_named_curves_look_alike(count: int) -> None:
    lines = {f"arm {number}": (np.full((1, 3), number),) * 2 for number in range(count)}
    axes = curves_by_value(lines, about="", title="").axes[0]
    looks = {(one.get_color(), one.get_linestyle(), one.get_marker()) for one in axes.lines}
    assert len(looks) == count
    assert len({one.get_color() for one in axes.lines}) == min(count, 7)


def test_a_curve_ends_where_its_first_run_ended() -> None:
    _, accuracy = drawn((0.5,), (0.8,), epochs=2)["curves_lr"].axes
    assert [np.asarray(line.get_xdata()).size for line in accuracy.lines] == [2, 3]
    assert not accuracy.collections  # one seed has no band


def test_titles_claim_no_more_than_the_seeds_can_tell() -> None:
    told = title_of(drawn((0.50, 0.51, 0.52), (0.80, 0.81, 0.82))["main_effects"])
    noise = title_of(drawn((0.50, 0.90, 0.52), (0.51, 0.89, 0.60))["main_effects"])
    lone = title_of(drawn((0.5,), (0.8,))["main_effects"])
    assert told == "lr moves validation accuracy most: 30.0 points between its best and its worst value"
    assert noise.startswith("No best value can be told from the second by these seeds")
    assert lone.endswith("one seed only hints")


def test_the_bars_of_the_best_cell_stand_first_with_its_seeds() -> None:
    left, _ = drawn((0.5, 0.6), (0.8, 0.9))["cells"].axes
    assert [text.get_text() for text in left.texts] == ["85.0 ± 7.1", "55.0 ± 7.1"]
    assert left.yaxis_inverted()
