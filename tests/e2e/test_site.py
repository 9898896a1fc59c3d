"""The documentation site builds without a warning, and has every page, command and public name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cnnexp
from cnnexp.cli import COMMANDS

pytestmark = pytest.mark.xdist_group("site")  # built once

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    for name in ("sphinx", "myst_parser", "furo", "sphinx_click"):
        pytest.importorskip(name, reason="the site's tools are not installed: pip install 'cnnexp[docs]'")
    target = tmp_path_factory.mktemp("site")
    # A process of its own: sphinx-click leaves every command without its -h.
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "-b", "html"]
    places = ["-d", str(target / "trees"), str(DOCS), str(target / "html")]
    done = subprocess.run([*command, *places], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return target / "html"


def links(page: Path) -> set[str]:
    return set(re.findall(r'href="([^"#]+\.html)', page.read_text(encoding="utf-8")))


def test_every_page_is_on_the_site_and_reached_from_its_start(site: Path) -> None:
    written = {page.relative_to(DOCS).with_suffix(".html").as_posix() for page in DOCS.rglob("*.md")}
    written -= {"index.html"}
    assert {page for page in written if not (site / page).exists()} == set()
    assert written <= links(site / "index.html")


def test_the_reference_has_every_command_and_every_public_name(site: Path) -> None:
    commands = (site / "reference/commands.html").read_text(encoding="utf-8")
    assert {name for name in COMMANDS if f'id="cnnexp-{name}"' not in commands} == set()
    assert 'id="cnnexp-data-inspect"' in commands
    names = (site / "reference/python.html").read_text(encoding="utf-8")
    assert {name for name in cnnexp.__all__ if f'id="cnnexp.{name}"' not in names} == set()


def test_the_site_needs_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?://', html), page.name
