"""What a user sees of a study in MLflow's own pages. Views are in an internal format: these tests notice."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from click.testing import CliRunner

import cnnexp
from cnnexp.cli import cli
from cnnexp.tracking.ui import run_page as address_of_run
from cnnexp.tracking.ui import ui_page
from cnnexp.tuning import StudyResult
from tests.browser.conftest import Served, Visits
from tests.browser.test_pages import IS_CUT, TABLE_ROWS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TRIALS = 4
NAME = "a first study"
# Trial 0 has the defaults and is not the deepest: some trials have a second layer, some have none.
SPACE = {"depth": "1..2", "widths": "4,8", "lr": "1e-3..1e-1:log", "augment": "none,flip"}
PARAMS = ("lr", "augment", "depth", "widths.1", "widths.2")


@pytest.fixture(scope="module")
def study(here: Path) -> StudyResult:
    """A study of a few trials, in the store that the server shows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("CNNEXP_CACHE_DIR", str(here / "cache"))
        return cnnexp.tune(
            trials=TRIALS,
            study=NAME,
            experiment="studies",
            space=SPACE,
            jobs=1,
            epochs=1,
            fraction=0.3,
            threads=1,
            pruner="none",
            log_model=False,
            tracking_uri=f"sqlite:///{here}/mlflow.db",
        )


@pytest.fixture
def short_names(study: StudyResult) -> list[str]:
    return [f"convnet-t{row.number:03d}" for row in study.trials]


@pytest.fixture
def view(served: Served, study: StudyResult) -> str:
    """The address that the study's last line leads to."""
    command = shlex.split(f"ui --study {shlex.quote(study.name)} --no-browser --tracking-uri {served.base}")
    printed = CliRunner().invoke(cli, command)
    assert printed.exit_code == 0, printed.output
    return printed.output.strip()


def wait_for_links(page: Page, names: list[str]) -> None:
    for name in names:
        page.get_by_role("link", name=name, exact=True).first.wait_for()


def test_the_runs_page_shows_the_study_as_one_run_and_unfolds_its_trials(
    served: Served, visit: Visits, study: StudyResult, short_names: list[str]
) -> None:
    page = visit(f"{served.base}/#/experiments/{study.experiment_id}/runs?workflowType=machine_learning")
    wait_for_links(page, [NAME])
    names = [row["attributes.`Run Name`"].split("\n")[-1] for row in page.evaluate(TABLE_ROWS)]
    assert names == [NAME]
    page.locator("button[data-component-id*='runnamecellrenderer']").click()
    wait_for_links(page, short_names)
    names = [row["attributes.`Run Name`"].split("\n")[-1] for row in page.evaluate(TABLE_ROWS)]
    assert names == [NAME, *reversed(short_names)]  # the latest first


def test_best_first_has_the_study_and_not_its_trials(
    served: Served, visit: Visits, study: StudyResult
) -> None:
    page = visit(ui_page(served.base, study.experiment_id))
    wait_for_links(page, [NAME])
    (row,) = page.evaluate(TABLE_ROWS)
    assert study.refit is not None
    assert row["metrics.`test/accuracy`"] == f"{study.refit.metrics['test/accuracy']:.6g}"
    assert row["params.`dataset`"] == "digits"


def test_the_view_of_a_study_has_its_trials_best_first_with_what_was_searched(
    visit: Visits, view: str, study: StudyResult, short_names: list[str]
) -> None:
    page = visit(view)
    wait_for_links(page, short_names)
    page.get_by_role("button", name=f"trials of {NAME}").wait_for()
    rows = {row["attributes.`Run Name`"].split("\n")[-1]: row for row in page.evaluate(TABLE_ROWS)}
    assert sorted(rows) == short_names
    shown = [float(row["metrics.`best/val_accuracy`"]) for row in rows.values()]
    assert shown == sorted(shown, reverse=True)
    for trial, name in zip(study.trials, short_names, strict=True):
        row = rows[name]
        assert row["metrics.`best/val_accuracy`"] == f"{trial.values[0]:.6g}"
        for param in PARAMS:  # a layer that is absent has 0, not "-"
            assert row[f"params.`{param}`"] == str(trial.params.get(param, 0))
        assert row["tags.`trial_state`"] == "COMPLETE"
        assert row["metrics.`parameters`"] == f"{trial.facts['parameters']:.0f}"


def test_what_was_searched_is_in_sight_and_uncut(visit: Visits, view: str, short_names: list[str]) -> None:
    page = visit(view)
    wait_for_links(page, short_names)
    for name in ("best/val_accuracy", *PARAMS):
        heading = page.locator("[role=columnheader]").get_by_text(name, exact=True)
        assert heading.evaluate("one => one.getBoundingClientRect().right") < 1400 - 24, name  # the margin
        assert not heading.evaluate(IS_CUT), name


def test_the_compare_page_of_three_trials_has_their_params_on_axes_and_none_unknown(
    served: Served, visit: Visits, study: StudyResult, short_names: list[str]
) -> None:
    chosen = json.dumps([row.run_id for row in study.trials[:3]])
    experiments = json.dumps([study.experiment_id])
    address = f"{served.base}/#/compare-runs?runs={quote(chosen)}&experiments={quote(experiments)}"
    page = visit(address, height=2400)
    for name in short_names[:3]:
        page.get_by_text(name, exact=True).wait_for()
    page.locator("text.axis-title").first.wait_for()
    axes = set(page.locator("text.axis-title").all_text_contents())
    assert len(axes & set(PARAMS)) >= 3, axes  # the page takes the first that differ, and a metric
    text = page.locator("main").inner_text()
    assert "unknown" not in text.lower()
    for name in PARAMS:
        shown = [str(row.params.get(name, 0)) for row in study.trials[:3]]
        assert re.search("^" + r"\s+".join(map(re.escape, (name, *shown))) + "$", text, re.MULTILINE), name


def test_the_studys_own_run_tells_what_it_found(served: Served, visit: Visits, study: StudyResult) -> None:
    page = visit(address_of_run(served.base, study.experiment_id, study.run_id))
    page.get_by_text("4 of 4 trials are finished (4 trained to the end, 0 pruned, 0 failed).").wait_for()
    page.get_by_text("Finished", exact=True).wait_for()


def test_a_studys_artifacts_show_its_figures(served: Served, visit: Visits, study: StudyResult) -> None:
    run = f"{served.base}/#/experiments/{study.experiment_id}/runs/{study.run_id}"
    page = visit(f"{run}/artifacts/study/history.png")
    picture = page.get_by_alt_text("study/history.png")
    picture.wait_for()
    page.wait_for_function("one => one.complete && one.naturalWidth > 400", arg=picture.element_handle())
    for name in ("trials.csv", "study.json", "history.png"):
        page.get_by_text(name, exact=True).first.wait_for()


def test_no_page_of_a_study_fails(visit: Visits, view: str, short_names: list[str]) -> None:
    wait_for_links(visit(view), short_names)
    assert not visit.errors
