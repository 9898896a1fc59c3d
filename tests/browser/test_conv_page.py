"""The page of `cnnexp conv demo`, as a reader steps through it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cnnexp.cli.conv_page import page_of
from cnnexp.convolution.sliding import slide

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_the_sliding_window_is_stepped_through_by_keys_buttons_and_clicks(
    chromium: Browser, tmp_path: Path
) -> None:
    image = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (7.0, 8.0, 9.0))
    file = tmp_path / "page.html"
    file.write_text(page_of(slide(image, ((1.0, 1.0), (-1.0, -1.0)))), encoding="utf-8")
    page = chromium.new_page()
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())

    def shown() -> tuple[str, str, int]:
        covered = page.locator("#image td.window").all_inner_texts()
        return page.inner_text("#count"), " ".join(covered), page.locator("#output td.later").count()

    assert shown() == ("step 1 of 4", "1 2 4 5", 3)
    page.keyboard.press("ArrowRight")
    assert shown() == ("step 2 of 4", "2 3 5 6", 2)
    assert page.inner_text("#sum") == "2·1 + 3·1 + 5·(−1) + 6·(−1) = −6"
    page.click("#next")
    page.locator("#output td").nth(3).click()
    assert shown() == ("step 4 of 4", "5 6 8 9", 0)
    page.click("#play")  # from the end it begins anew
    assert shown()[0] == "step 1 of 4"
    page.locator("#count", has_text="step 2 of 4").wait_for()
    page.keyboard.press("Home")
    assert (shown()[0], page.inner_text("#play")) == ("step 1 of 4", "Play")
    assert (asked, errors) == ([file.as_uri()], [])
    page.close()
