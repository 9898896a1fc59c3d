"""`cnnexp data inspect`."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.errors import UserError

if TYPE_CHECKING:
    from cnnexp.results.inspection.inspect import Inspection

MANY_CLASSES = 30
BOTH_ENDS = 10  # of many classes: the largest and the smallest
LINE, INDENT = 96, 18  # columns


@click.command()
@click.argument("dataset", metavar="DATASET")
@click.option("-o", "--output", metavar="DIR", help="Folder for figures and tables; else the terminal alone.")
@click.option("--force", is_flag=True, help="Overwrite an earlier inspection in that folder.")
@click.option(
    "--image-size", metavar="SIDE|HxW", help="Size that images are read at; else the data set's own."
)
@click.option(
    "--labels/--no-labels", default=True, show_default=True, help="Look for doubtful labels, the slow part."
)
@click.option("--data-dir", envvar="CNNEXP_DATA_DIR", help="Folder where data sets lie; else ./data.")
@click.option(
    "--plugin", multiple=True, metavar="FILE|MODULE", help="Python file or module with own data sets."
)
def inspect(
    *,
    dataset: str,
    output: str | None,
    force: bool,
    image_size: str | None,
    labels: bool,
    data_dir: str | None,
    plugin: tuple[str, ...],
) -> None:
    """Say what is in a data set, and what is wrong with it.

    DATASET is a registered name or folder:PATH. Every image of every part is looked at, those of the test
    part too. Nothing is changed, and no run is recorded.
    """
    from cnnexp.cli.terminal import Terminal
    from cnnexp.results.inspection.entry import inspect as inspect_images
    from cnnexp.settings import Given

    folder = _folder(output, force=force)
    given: dict[str, object] = {"plugin": Given(plugin, "--plugin")}
    if image_size is not None:
        given["image_size"] = Given(image_size, "--image-size")
    if data_dir is not None:
        given["data_dir"] = Given(data_dir, "--data-dir")
    with Terminal(quiet=False) as terminal:
        found = inspect_images(dataset, None, labels=labels, progress=terminal.progress, **given)
    _print(found)
    if folder is not None:
        _write(found, folder)


def _folder(output: str | None, *, force: bool) -> Path | None:
    """Returns the folder to write to, before any work is done.

    Raises:
        UserError: it cannot be made, or holds what would be overwritten.
    """
    from cnnexp.cli.output import make_folder
    from cnnexp.results.inspection.files import FIGURES, TABLES

    if output is None:
        return None
    there = [name for name in (*TABLES, *FIGURES) if (Path(output) / name).exists()]
    if there and not force:
        raise UserError(
            f"--output {output} holds {there[0]} already; give --force to overwrite it, or another folder."
        )
    return make_folder(output, option="--output")


def _print(found: Inspection) -> None:
    from cnnexp.cli.tables import print_table
    from cnnexp.results.inspection.text import class_rows

    click.secho(found.name, bold=True)
    header, rows = class_rows(found)
    if len(rows) > MANY_CLASSES:
        ordered = [rows[label] for label in (-found.counts.sum(axis=0)).argsort(kind="stable")]
        rows = [*ordered[:BOTH_ENDS], tuple("…" for _ in header), *ordered[-BOTH_ENDS:]]
    print_table(header, rows, right=header[1:])
    click.echo()
    for name, text in found.sentences.items():
        lines = textwrap.wrap(text, LINE - INDENT, break_long_words=False, break_on_hyphens=False)
        click.echo(f"{click.style(f'{name:<{INDENT}}', bold=True)}{lines[0]}")
        for line in lines[1:]:
            click.echo(" " * INDENT + line)


def _write(found: Inspection, folder: Path) -> None:
    from cnnexp.results.inspection.files import write_inspection

    click.echo()
    try:
        for path in write_inspection(found, folder):
            click.echo(f"Written: {path}")
    except OSError as error:
        raise UserError(
            f"--output {folder} cannot be written: {error.strerror}; name another place."
        ) from error
