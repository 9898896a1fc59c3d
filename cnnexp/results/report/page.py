"""Views as one HTML file: style, script and pictures inside, every text of a user escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files

from cnnexp.results.report.run_view import RunView
from cnnexp.results.report.section import Section

_SECTIONS = {
    "changed": ("settings", "Settings"),
    "data": ("data", "Data"),
    "layers": ("network", "Network"),
    "curves": ("curves", "Learning curves"),
    "matrix": ("matrix", "Confusion matrix"),
    "classes": ("classes", "Classes"),
}


def render(
    title: str,
    subtitle: str,
    *,
    sections: Sequence[Section] = (),
    run: RunView | None = None,
    facts: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
) -> str:
    """Returns a page.

    Args:
        title: the heading.
        subtitle: what it is about.
        sections: sections before those of the run.
        run: the run, or a study's refit.
        facts: the head, where there is no run.
        missing: sentences on what is not there, beside those of the run.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("cnnexp.results.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sortable"] = _sortable
    script, style = (_asset(name) for name in ("page.js", "style.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        style=Markup(style),
        script=Markup(script),
        script_hash=f"sha256-{digest}",  # no other script runs in the page
        contents=_contents(sections, run),
        missing=[*missing, *(run.missing if run else ())],
        question=run.question if run else "",
        facts=run.facts if run else facts or {},
        tags=run.tags if run else {},
        description=run.description if run else "",
        sections=sections,
        run=run,
        version=version("cnnexp"),
    )


def _contents(sections: Sequence[Section], run: RunView | None) -> dict[str, str]:
    contents = {section.anchor: section.name for section in sections}
    if run is not None:
        contents |= dict(section for name, section in _SECTIONS.items() if getattr(run, name))
        contents |= {"mistakes": "Worst mistakes"} if run.matrix else {}
        contents["repeat"] = "How to repeat it"
    return contents


def _sortable(value: float) -> str:
    """Returns a number as the page's script reads it: a missing one is minus infinity."""
    return "-Infinity" if value == float("-inf") else f"{value:.10g}"


def _asset(name: str) -> str:
    return files("cnnexp.results.report").joinpath("templates", name).read_text(encoding="utf-8")
