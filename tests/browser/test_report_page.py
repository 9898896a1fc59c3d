"""The page of `cnnexp report`, as a reader opens it from a folder, without any network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cnnexp

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NO_SCRIPT = "<script>document.title = 'run'</script>"


@pytest.fixture(scope="module")
def report(chromium: Browser, tmp_path_factory: pytest.TempPathFactory, _empty_store: Path) -> Path:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("report")
    shutil.copy(_empty_store, folder)
    store = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CNNEXP_CACHE_DIR", str(folder / "cache"))
        quick: dict[str, Any] = {"log_model": False, "figures": "none", "threads": 1, "epochs": 1}
        cnnexp.train(model="mlp", run_name=NO_SCRIPT, tracking_uri=store, **quick)
        return cnnexp.report("last", folder / "report.html", tracking_uri=store).path


@pytest.fixture
def page(chromium: Browser, report: Path) -> Iterator[Page]:
    """The page; afterwards nothing was asked for but itself, and nothing went wrong in it."""
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(report.as_uri())
    yield page
    page.close()
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}
    assert not errors


def test_a_cell_of_the_matrix_opens_the_images_behind_it(page: Page) -> None:
    cells = page.locator("table.matrix button")
    counts = [int(text) for text in cells.all_inner_texts()]
    largest = counts.index(max(counts))
    images = page.locator("dialog[open] img")
    assert images.count() == 0
    cells.nth(largest).click()
    assert images.count() == min(counts[largest], 50)
    page.wait_for_function(
        "[...document.querySelectorAll('dialog img')].every((one) => one.naturalWidth > 0)"
    )
    assert str(counts[largest]) in page.inner_text("dialog[open] p")
    assert re.fullmatch(r"Class \S+, (rightly predicted|taken for \S+)", page.inner_text("dialog[open] h2"))
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_cells_are_reached_and_opened_by_keys(page: Page) -> None:
    rows = page.locator("table.matrix tbody tr").all()
    cells = next(found for row in rows if (found := row.locator("button")).count() > 1)
    first, second = cells.nth(0), cells.nth(1)
    first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.cell") == second.get_attribute("data-cell")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.locator("dialog[open] li").count() > 0
    page.locator("dialog[open] button", has_text="Close").click()
    assert page.evaluate("document.activeElement.dataset.cell") == first.get_attribute("data-cell")


def test_a_column_sorts_both_ways(page: Page) -> None:
    heading = page.locator("section[aria-labelledby=classes] th", has_text="recall")

    def shown() -> list[float]:
        cells = page.locator("section[aria-labelledby=classes] tbody tr td:nth-child(3)")
        return [float(text) for text in cells.all_inner_texts()]

    before = shown()
    heading.locator("button").click()
    assert shown() == sorted(before, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"
    heading.locator("button").click()
    assert shown() == sorted(before)


def test_the_page_is_dark_where_the_system_is_and_where_the_reader_wants_it(page: Page) -> None:
    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = ground()
    page.emulate_media(color_scheme="dark")
    dark = ground()
    assert dark != light
    page.click("#theme")
    assert ground() == light
    page.click("#theme")
    page.emulate_media(color_scheme="light")
    assert ground() == dark
    page.emulate_media(media="print")  # paper is white whatever was chosen
    assert ground() == light


def test_names_of_users_are_not_run(page: Page) -> None:
    assert page.inner_text("h1") == NO_SCRIPT
    assert page.title() == NO_SCRIPT


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_prints_to_pages(page: Page) -> None:
    content = page.pdf(format="A4")
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") > 1
