"""Writes docs/settings.md from the settings' own declarations: `python scripts/settings_table.py`."""

from __future__ import annotations

from pathlib import Path

from cnnexp.cli.options import GROUP_TITLES, option_name
from cnnexp.settings import Settings, declarations
from cnnexp.settings.resolve import Declaration
from cnnexp.settings.tuning import GridSettings, TuneSettings

TARGET = Path(__file__).parents[1] / "docs" / "settings.md"
OF_COMMANDS = {"search": " (`tune`)", "sweep": " (`sweep`)", "study": " (`tune` and `sweep`)"}
HEAD = """# Settings

Made from the code by `python scripts/settings_table.py`; do not edit.

A setting has one name everywhere. `batch_size` is `--batch-size` on the command line, `batch_size:` in a
`--config` file, `batch_size=` in `cnnexp.train(...)`, `CNNEXP_BATCH_SIZE` in the environment,
`-P batch_size=` for `mlflow run`, and the param `batch_size` in MLflow. Command line wins over file, file
over environment, environment over default.
"""


def settings_page() -> str:
    """Returns the page, in Markdown."""
    lines = [HEAD]
    by_group: dict[str, dict[str, Declaration]] = {}
    for schema in (Settings, TuneSettings, GridSettings):
        for declaration in declarations(schema).values():
            by_group.setdefault(declaration.group, {}).setdefault(declaration.name, declaration)
    for group, members in by_group.items():
        lines += [
            f"## {GROUP_TITLES[group]}{OF_COMMANDS.get(group, '')}",
            "",
            "| setting | option | default | what |",
            "|---|---|---|---|",
        ]
        lines += [_row(member) for member in members.values()]
        lines.append("")
    return "\n".join(lines)


def _row(declaration: Declaration) -> str:
    default = declaration.field.default
    text = declaration.field.description or ""
    if declaration.choices:
        text += f" One of {', '.join(f'`{word}`' for word in declaration.choices)}."
    shown = "" if default is None or default in ({}, ()) else f"`{default}`"
    return f"| `{declaration.name}` | `{option_name(declaration.name)}` | {shown} | {text} |"


if __name__ == "__main__":
    TARGET.write_text(settings_page(), encoding="utf-8")
    print(f"wrote {TARGET.name}")
