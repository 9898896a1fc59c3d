"""`cnnexp.inspect`: what the command `cnnexp data inspect` and a notebook both call."""

from __future__ import annotations

from pathlib import Path

from cnnexp.plugins import load_plugin
from cnnexp.progress import Progress, silent
from cnnexp.results.inspection.files import write_inspection
from cnnexp.results.inspection.inspect import Inspection, inspect_dataset
from cnnexp.settings import Given, from_environment, resolve


def inspect(
    dataset: str,
    output: str | Path | None = None,
    *,
    labels: bool = True,
    progress: Progress = silent,
    **settings: object,
) -> Inspection:
    """Says what is in a data set and what is wrong with it; every image of every part is looked at.

    Args:
        dataset: a registered set or `folder:PATH`.
        output: folder for figures and tables, made where it is missing; what is there is overwritten.
        labels: also look for doubtful labels, the slow part.
        progress: called while anything slow goes on.
        **settings: how the set is found and read, by name as in `cnnexp.train`: image_size, fit, color,
            data_dir, plugin.

    Returns:
        Counts, duplicates, unreadable files and doubtful labels; `.sentences` says them.

    Raises:
        UserError: a setting is wrong, or the data set is missing or has no images.
        OSError: the folder cannot be written.
    """
    asked = {"dataset": dataset, **settings}
    given = {
        name: value if isinstance(value, Given) else Given(value, f"argument {name}")
        for name, value in asked.items()
    }
    resolved = resolve(from_environment(), given)
    for one in resolved.plugins.plugin:
        load_plugin(one)
    found = inspect_dataset(resolved.data, judge_labels=labels, progress=progress)
    if output is not None:
        folder = Path(output)
        folder.mkdir(parents=True, exist_ok=True)
        for _ in write_inspection(found, folder):
            pass
    return found
