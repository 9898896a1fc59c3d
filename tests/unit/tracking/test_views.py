from __future__ import annotations

import base64
import json
import zlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cnnexp.tracking.views import BEST, BEST_COLUMNS, CURVES, TAG_PREFIX, runs_path, standard_views, view_tag


def decoded(value: str) -> tuple[str, dict[str, Any]]:
    view = json.loads(value)
    packed = view["state"].removeprefix("deflate;")
    return view["name"], json.loads(zlib.decompress(base64.b64decode(packed)))


def test_view_decodes_to_what_was_asked() -> None:
    columns = ("metrics.best/val_accuracy", "params.lr", "attributes.Duration")
    key, value = view_tag(
        "mine",
        "Größe ↑",
        columns=columns,
        order_by="params.lr",
        search_filter="tags.kind = 'trial'",
        ascending=True,
    )
    name, state = decoded(value)
    assert key == "mlflow.sharedViewState.mine"
    assert name == "Größe ↑"
    assert state["selectedColumns"] == ["metrics.`best/val_accuracy`", "params.`lr`", "attributes.`Duration`"]
    assert state["columnOrder"] == [
        "attributes.`Run Name`",
        "runDateAndNestInfo",
        "metrics.`best/val_accuracy`",
        "params.`lr`",
        "duration",
    ]
    assert state["columnWidths"].keys() == set(state["columnOrder"])
    assert state["orderByKey"] == "params.`lr`"
    assert state["orderByAsc"] is True
    assert state["searchFilter"] == "tags.kind = 'trial'"
    assert "compareRunCharts" not in state


def test_best_first_sorts_by_validation_accuracy_largest_first() -> None:
    name, state = decoded(standard_views()[TAG_PREFIX + BEST])
    assert name == "best first"
    assert state["orderByKey"] == "metrics.`best/val_accuracy`"
    assert state["orderByAsc"] is False
    assert len(state["selectedColumns"]) == len(BEST_COLUMNS)


def test_trials_of_studies_are_in_none_of_the_standard_views() -> None:
    searches = [decoded(view)[1]["searchFilter"] for view in standard_views().values()]
    assert searches == ["tags.kind != 'trial'"] * 2


def test_curves_draw_training_and_validation_together_against_the_epoch() -> None:
    _, state = decoded(standard_views()[TAG_PREFIX + CURVES])
    cards = state["compareRunCharts"]
    assert [card["selectedMetricKeys"] for card in cards] == [
        ["train/loss", "val/loss"],
        ["train/accuracy", "val/accuracy"],
    ]
    assert {card["xAxisKey"] for card in cards} == {"step"}
    (section,) = state["compareRunSections"]
    assert {card["metricSectionId"] for card in cards} == {section["uuid"]}


def test_views_are_the_same_at_every_start_and_short_enough_for_a_tag() -> None:
    first, second = standard_views(), standard_views()
    assert first == second
    assert max(len(value) for value in first.values()) <= 5000


def test_curves_open_as_charts_and_best_first_as_a_table() -> None:
    for view, mode in ((BEST, None), (CURVES, ["CHART"])):
        page = urlsplit(runs_path("7", view)).fragment
        parameters = parse_qs(urlsplit(page).query)
        assert page.startswith("/experiments/7/runs?")
        assert parameters["viewStateShareKey"] == [view]
        assert parameters["workflowType"] == ["machine_learning"]
        assert parameters.get("compareRunsMode") == mode
