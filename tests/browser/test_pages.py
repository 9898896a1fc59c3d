"""What a user sees in MLflow's own pages. Views are in an internal format of MLflow: these tests notice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import cnnexp
from cnnexp.tracking.ui import run_page as address_of_run
from cnnexp.tracking.ui import ui_page
from cnnexp.tracking.views import CURVES
from tests.browser.conftest import EPOCHS, Served, Visits

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# The table draws a row in up to three pieces; a cell's column is named by col-id.
TABLE_ROWS = """() => {
    const rows = {};
    for (const cell of document.querySelectorAll("[row-id] [col-id]")) {
        const row = cell.closest("[row-id]").getAttribute("row-index");
        (rows[row] ??= {})[cell.getAttribute("col-id")] = cell.innerText.trim();
    }
    return Object.keys(rows).sort((one, other) => one - other).map(row => rows[row]);
}"""
IS_CUT = "one => one.scrollWidth > one.clientWidth"
CHART = "experiment-view-compare-runs-card"


@pytest.fixture
def best(runs: list[cnnexp.Result]) -> cnnexp.Result:
    return max(runs, key=lambda run: run.metrics["best/val_accuracy"])


@pytest.fixture
def run_page(served: Served, best: cnnexp.Result) -> str:
    return f"{served.base}/#/experiments/{best.experiment_id}/runs/{best.run_id}"


def wait_for_runs(page: Page, runs: list[cnnexp.Result]) -> None:
    for run in runs:
        page.get_by_role("link", name=run.run_name).wait_for()


def charts_of(page: Page, metric: str) -> Locator:
    """The charts whose legend names a metric, once the first is drawn."""
    charts = page.get_by_test_id(CHART).filter(has_text=f"({metric})")
    charts.first.locator(".scatterlayer path.point").first.wait_for()
    return charts


def test_the_printed_address_opens_the_runs_best_first(
    served: Served, visit: Visits, runs: list[cnnexp.Result]
) -> None:
    page = visit(served.address)
    wait_for_runs(page, runs)
    page.get_by_role("button", name="best first").wait_for()
    expected = sorted(runs, key=lambda run: -run.metrics["best/val_accuracy"])
    assert expected not in (runs, runs[::-1])  # else an order of time could pass for it
    rows = page.evaluate(TABLE_ROWS)
    assert [row["attributes.`Run Name`"].split()[-1] for row in rows] == [run.run_name for run in expected]
    for row, run in zip(rows, expected, strict=True):
        for name in ("best/val_accuracy", "test/accuracy"):
            assert row[f"metrics.`{name}`"] == f"{run.metrics[name]:.6g}"  # 0.873, not 0.8729999999999999
        assert row["metrics.`best/epoch`"] == str(int(run.metrics["best/epoch"]))
        data, optimizer = run.settings.data, run.settings.optimization
        assert row["params.`model`"] == run.settings.network.model
        assert row["params.`dataset`"] == data.dataset
        assert float(row["params.`lr`"]) == optimizer.lr
        assert int(row["params.`batch_size`"]) == optimizer.batch_size


def test_headings_of_the_best_first_table_are_in_sight_and_uncut(
    served: Served, visit: Visits, runs: list[cnnexp.Result]
) -> None:
    page = visit(served.address)
    wait_for_runs(page, runs)
    for name in ("best/val_accuracy", "test/accuracy", "best/epoch", "model", "dataset", "lr", "batch_size"):
        heading = page.locator("[role=columnheader]").get_by_text(name, exact=True)
        assert heading.evaluate("one => one.getBoundingClientRect().right") < 1400 - 24, name  # the margin
        assert not heading.evaluate(IS_CUT), name


def test_a_runs_page_tells_its_test_accuracy_with_its_interval(
    served: Served, visit: Visits, best: cnnexp.Result
) -> None:
    page = visit(address_of_run(served.base, best.experiment_id, best.run_id))
    sentence = page.get_by_text(re.compile("^Test accuracy"))
    sentence.wait_for()
    assert f"{best.metrics['test/accuracy']:.4f}" in sentence.inner_text()
    assert "95 % interval" in sentence.inner_text()
    page.get_by_text("Finished", exact=True).wait_for()
    page.get_by_role("link", name="Models").first.wait_for()  # of this kind of work, not of agents


@pytest.mark.parametrize("metric", ["train/loss", "train/accuracy", "val/loss", "val/accuracy"])
def test_a_runs_charts_show_every_epoch_of_training_and_validation(
    visit: Visits, run_page: str, metric: str
) -> None:
    page = visit(f"{run_page}/model-metrics", height=3000)
    charts = charts_of(page, metric)
    assert charts.count() == 1
    assert charts.locator(".scatterlayer path.point").count() == EPOCHS
    group, name = metric.split("/")
    section = page.get_by_test_id("experiment-view-compare-runs-section-header").filter(has_text=group)
    assert section.count() == 1
    assert charts.get_by_text(name, exact=True).count() == 1


def test_a_runs_artifacts_show_the_confusion_matrix(visit: Visits, run_page: str) -> None:
    page = visit(f"{run_page}/artifacts/plots/confusion_matrix.png")
    picture = page.get_by_alt_text("plots/confusion_matrix.png")
    picture.wait_for()
    page.wait_for_function("one => one.complete && one.naturalWidth > 400", arg=picture.element_handle())


def test_the_view_curves_opens_as_charts_of_all_runs(
    served: Served, visit: Visits, runs: list[cnnexp.Result]
) -> None:
    page = visit(ui_page(served.base, runs[0].experiment_id, CURVES))
    wait_for_runs(page, runs)
    first = page.get_by_test_id("experiment-view-compare-runs-section-header").first
    assert re.sub(r"\s+", " ", first.inner_text()).startswith("Curves (2)")
    for train, val in (("train/loss", "val/loss"), ("train/accuracy", "val/accuracy")):
        chart = charts_of(page, train).first
        title = chart.get_by_text(f"{train} vs {val}", exact=True)
        assert not title.evaluate(IS_CUT)
        assert chart.locator(".scatterlayer path.point").count() == 2 * EPOCHS * len(runs)


def test_no_page_asks_another_machine_or_fails(
    served: Served, visit: Visits, runs: list[cnnexp.Result], run_page: str
) -> None:
    wait_for_runs(visit(served.address), runs)
    charts_of(visit(f"{run_page}/model-metrics", height=3000), "val/loss")
    visit(f"{run_page}/artifacts/plots/confusion_matrix.png").get_by_alt_text("confusion_matrix").wait_for()
    assert len(visit.requests) > 20
    hosts = {urlsplit(url.removeprefix("blob:")).hostname for url in visit.requests if url[:5] != "data:"}
    assert hosts == {"127.0.0.1"}
    assert not visit.errors


def test_the_terminal_shows_the_address_and_not_every_request(
    served: Served, visit: Visits, runs: list[cnnexp.Result]
) -> None:
    wait_for_runs(visit(served.address), runs)
    lines = served.terminal.read_text().splitlines()
    assert "Ctrl-C ends it." in lines
    assert len(lines) < 6, lines
