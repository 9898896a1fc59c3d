"""The zip file that a student hands in: the report, and what it takes to repeat and check it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from cnnexp.experiment.names import AGAIN, MODEL_NAME, SETTINGS_FILE
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.run_view import command_again, read_or_none
from cnnexp.results.report.runs_view import best_first
from cnnexp.results.report.topic import Topic
from cnnexp.tracking.rows import children_of
from cnnexp.tracking.run_files import files_of
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import Store
from cnnexp.training.checkpoint import BEST

# Of the run itself everything but what only serves to go on with it: other checkpoints, the logged model,
# what was not sent.
LEFT_OUT = ("checkpoints/", f"{MODEL_NAME}/", "unsent")
OF_CHILDREN = (
    SETTINGS_FILE,
    "epochs.csv",
    "test/confusion_matrix.csv",
    "test/per_class.csv",
    "test/predictions.csv",
    "environment/command.txt",
    "environment/commit.txt",
    "environment/uncommitted.diff",
    "environment/machine.json",
    "environment/packages.json",
)


def write_bundle(path: Path, store: Store, topic: Topic, html: str) -> None:
    """Writes the zip file of a topic.

    Raises:
        OSError: it cannot be written.
        TrackingError: a file of a run cannot be had.
    """
    recorded = topic.recorded
    rows = topic.rows if recorded is None else _children(store, recorded)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("report.html", html)
        bundle.writestr("README.md", _readme(topic, rows))
        if recorded is not None:
            for name in files_of(store, recorded.run_id):
                if name == BEST or not name.startswith(LEFT_OUT):
                    bundle.write(recorded.file(name), name)
        best = best_first(rows)[:1]
        for row in rows:
            _add_run(
                bundle, Recorded(store, row), _folder(row), (*OF_CHILDREN, *([BEST] if row in best else []))
            )


def _children(store: Store, recorded: Recorded) -> Sequence[RunRow]:
    """Returns the runs below this one; trials of a study are in its tables."""
    return [row for row in children_of(store, recorded.run_id) if row.tags.get("kind") != "trial"]


def _add_run(bundle: zipfile.ZipFile, recorded: Recorded, folder: str, names: Sequence[str]) -> None:
    there = set(files_of(recorded.store, recorded.run_id))
    for name in names:
        if name in there:
            bundle.write(recorded.file(name), f"{folder}/{name}")


def _folder(row: RunRow) -> str:
    plain = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in row.name)
    return f"runs/{plain or 'run'}-{row.run_id[:8]}"


def _readme(topic: Topic, rows: Sequence[RunRow]) -> str:
    lines = [f"# {topic.name}", "", "Open `report.html` in a browser; it needs no network.", ""]
    recorded = topic.recorded
    if recorded is not None:
        lines += _repeat(recorded)
    if rows:
        lines += [
            "## The runs",
            "",
            "The commit of each stands in its `environment/commit.txt`; a run without that file was started",
            "outside of a git repository.",
            "",
            "Each folder of `runs/` has a run's settings, its epochs and its test tables;",
            f"that of {best_first(rows)[0].name}, the best by validation accuracy, has its weights too.",
            "",
        ]
        lines += [f"- `cnnexp train --config {_folder(row)}/{SETTINGS_FILE}`" for row in rows if _is_run(row)]
        lines.append("")
    return "\n".join(lines)


def _is_run(row: RunRow) -> bool:
    return row.tags.get("kind") == "run"


def _repeat(recorded: Recorded) -> list[str]:
    def text_of(name: str) -> str | None:
        return read_or_none(lambda: recorded.file(name).read_text(encoding="utf-8").strip())

    paragraphs = ["## Repeat it"]
    commit, command = text_of("environment/commit.txt"), text_of("environment/command.txt")
    code = (
        f"The code was at commit `{commit}`; what was changed in it stands in\n"
        "`environment/uncommitted.diff`, if that is here."
        if commit
        else "No commit is recorded: it was run outside of a git repository."
    )
    paragraphs.append(f"{code} Versions: `environment/packages.json`.")
    if command:
        paragraphs += ["As it was run:", f"```bash\n{command}\n```"]
    if AGAIN in recorded.row.tags:
        paragraphs += ["To repeat it, here:", f"```bash\n{recorded.row.tags[AGAIN]}\n```"]
    again = command_again(recorded.row)
    if again and text_of(SETTINGS_FILE):
        paragraphs += ["The same training from its settings:", f"```bash\n{again}\n```"]
    data = read_or_none(lambda: recorded.data)
    if data:
        paragraphs.append(
            f"It was trained on `{data.name}`, whose content has the digest\n`{data.digest}`;\n"
            "a run on other data shows another digest."
        )
    if read_or_none(lambda: recorded.file(BEST)):
        paragraphs.append(f"`{BEST}` holds the weights of the best epoch (safetensors).")
    return [line for paragraph in paragraphs for line in (paragraph, "")]
