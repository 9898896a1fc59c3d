"""Saved views of MLflow's runs page, as experiment tags.

The format is MLflow's own and internal (read from its page; the version is pinned): the tag
`mlflow.sharedViewState.<key>` holds a name, two times, and the page's state as deflated JSON. The chart mode
is no part of that state: it is the page's parameter compareRunsMode.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

TAG_PREFIX = "mlflow.sharedViewState."
BEST = "cnnexp-best"
CURVES = "cnnexp-curves"
_NO_TRIALS = "tags.kind != 'trial'"  # a study is one run here; its trials have a view of their own

# Any fixed time does: a tag that named the present would be rewritten at every start. (1 January 2026, ms.)
_WRITTEN_AT = 1_767_225_600_000

# The page's own names of the columns Run Name and Created, which it always shows first, and their pixels.
_FIRST_COLUMNS = {"attributes.`Run Name`": 190, "runDateAndNestInfo": 130}

BEST_COLUMNS = (
    "metrics.best/val_accuracy",
    "metrics.test/accuracy",
    "metrics.best/epoch",
    "params.model",
    "params.dataset",
    "params.lr",
    "params.batch_size",
    "params.optimizer",
    "params.epochs",
    "attributes.Duration",
    "attributes.Dataset",
)


def view_tag(
    key: str,
    name: str,
    *,
    columns: Sequence[str],
    order_by: str,
    search_filter: str = "",
    ascending: bool = False,
    charts: Sequence[tuple[str, Sequence[str]]] = (),
) -> tuple[str, str]:
    """Returns the experiment tag (its name and value) that makes a saved view.

    Args:
        key: the view's name in links.
        name: the view's name in the page's list.
        columns: `metrics.<name>`, `params.<name>`, `tags.<name>` or `attributes.<name>`, from left to right.
        order_by: a column to sort by.
        search_filter: MLflow's search text, such as `tags.kind = 'trial'`.
        ascending: smallest first.
        charts: line charts over steps, each a title and its metrics; else one per metric.
    """
    state = _state(
        columns=columns, order_by=order_by, search_filter=search_filter, ascending=ascending
    ) | _chart_state(key, charts)
    text = json.dumps(state, separators=(",", ":"), ensure_ascii=False)
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")
    view = {"name": name, "createdAt": _WRITTEN_AT, "updatedAt": _WRITTEN_AT, "state": f"deflate;{packed}"}
    return TAG_PREFIX + key, json.dumps(view, separators=(",", ":"))


def standard_views() -> dict[str, str]:
    """Returns the views that every experiment of ours has: "best first" and "curves"."""
    order = "metrics.best/val_accuracy"
    charts = (("Loss", ("train/loss", "val/loss")), ("Accuracy", ("train/accuracy", "val/accuracy")))
    return dict(
        (
            view_tag(BEST, "best first", columns=BEST_COLUMNS, order_by=order, search_filter=_NO_TRIALS),
            view_tag(
                CURVES,
                "curves",
                columns=BEST_COLUMNS,
                order_by=order,
                search_filter=_NO_TRIALS,
                charts=charts,
            ),
        )
    )


def study_view(study: str) -> str:
    """Returns the name, in links, of the view of a study's trials; MLflow takes few signs in it."""
    return "cnnexp-study-" + re.sub(r"[^\w.-]", "_", study)


def runs_path(experiment_id: str, view: str = BEST) -> str:
    """Returns the path, within MLflow's UI, of an experiment's runs page in a saved view."""
    parameters = {"workflowType": "machine_learning", "viewStateShareKey": view}
    if view == CURVES:
        parameters["compareRunsMode"] = "CHART"
    return f"/#/experiments/{experiment_id}/runs?{urlencode(parameters)}"


def run_path(experiment_id: str, run_id: str) -> str:
    """Returns the path, within MLflow's UI, of a run's page, beside the pages of runs and models."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def _state(*, columns: Sequence[str], order_by: str, search_filter: str, ascending: bool) -> dict[str, Any]:
    widths = _FIRST_COLUMNS | {_column_id(one): _width(one, is_sorted=one == order_by) for one in columns}
    return {
        "searchFilter": search_filter,
        "orderByKey": _quoted(order_by),
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [_quoted(column) for column in columns],
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _chart_state(key: str, charts: Sequence[tuple[str, Sequence[str]]]) -> dict[str, Any]:
    """Our charts stand in a section of their own, above those that MLflow adds for the other metrics."""
    if not charts:
        return {}
    section = f"{key}-section"
    cards = [
        {
            "uuid": f"{key}-{number}",
            "type": "LINE",
            "runsCountToCompare": 10,
            "metricSectionId": section,
            "deleted": False,
            "isGenerated": False,
            "displayName": title,
            "metricKey": metrics[0],
            "selectedMetricKeys": list(metrics),
            "lineSmoothness": 0,
            "scaleType": "linear",
            "xAxisScaleType": "linear",
            "xAxisKey": "step",
            "selectedXAxisMetricKey": "",
            "yAxisKey": "metric",
            "yAxisExpressions": [],
            "range": {},
            "ignoreOutliers": False,
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }
        for number, (title, metrics) in enumerate(charts)
    ]
    heading = {
        "uuid": section,
        "name": "Curves",
        "columns": 2,  # the page's own 3 cut the titles of two metrics
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
    }
    return {"compareRunCharts": cards, "compareRunSections": [heading], "isAccordionReordered": True}


def _quoted(column: str) -> str:
    """`metrics.best/epoch` as the page spells it: metrics.`best/epoch`."""
    kind, _, name = column.partition(".")
    return f"{kind}.`{name}`"


def _column_id(column: str) -> str:
    """The page's own name of a column, as its header cells show it."""
    return "duration" if column == "attributes.Duration" else _quoted(column)


def _width(column: str, *, is_sorted: bool) -> int:
    """Pixels that show heading and values in full; the page's own widths push the last ones out of sight."""
    heading = 28 + 6.5 * len(column.partition(".")[2]) + (24 if is_sorted else 0)  # the arrow takes 24
    return max(110 if column == "params.dataset" else 90, round(heading))
