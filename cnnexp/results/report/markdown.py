"""Notes of runs, written in Markdown, as HTML: nothing of theirs is run, and no picture is fetched."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markupsafe import Markup


def as_html(text: str) -> Markup:
    """Returns Markdown as HTML; tags in it are shown as text, pictures are left as their description."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return Markup(reader.render(text))
