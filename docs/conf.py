"""How Sphinx makes a site of these pages: `make site`. They stay readable on a code host."""

from __future__ import annotations

from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "cnnexp"
copyright = "the authors of cnnexp, Apache-2.0"
version = release = version_of("cnnexp")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # links such as tuning.md#several-processes, as a code host makes them
smartquotes = False  # they would bend the quotes of code in docstrings
default_role = "code"  # docstrings and help texts say `name` as Markdown does

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_use_ivar = True  # attributes of dataclasses are told once

html_theme = "furo"
html_title = "cnnexp"
html_copy_source = False
html_show_sphinx = False

PAGES = Path(__file__).parent


def setup(app: Sphinx) -> None:
    """Registers what follows."""
    app.connect("source-read", leave_out_unwritten)
    for what in ("description", "options", "arguments"):
        app.connect(f"sphinx-click-process-{what}", leave_stars)


def leave_out_unwritten(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Takes entries that end in `*` out of the start page while no such page is written."""
    if docname == "index":
        lines = source[0].splitlines()
        kept = [line for line in lines if not line.endswith("*") or any(PAGES.glob(f"{line}.md"))]
        source[0] = "\n".join(kept)


def leave_stars(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Shows the stars of a help text, such as photos/**/*.jpg, as they are; within `code` they stay."""
    for number, line in enumerate(lines):
        pieces = line.split("`")
        pieces[::2] = (piece.replace("*", r"\*") for piece in pieces[::2])
        lines[number] = "`".join(pieces)
