"""`cnnexp predict`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from cnnexp.errors import DataError, UserError

if TYPE_CHECKING:
    from cnnexp.results.classifier import Classifier
    from cnnexp.results.predict import Format

SUFFIXES = {".csv": "csv", ".json": "json"}


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", help="File for the table, .csv or .json.  [default: printed]")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(SUFFIXES.values())),
    help="csv or json.  [default: csv, or as -o ends]",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Most probable classes of each image.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def predict(
    *,
    run: str,
    paths: tuple[str, ...],
    output: str | None,
    form: str | None,
    top: int,
    device: str,
    force: bool,
    tracking_uri: str | None,
) -> None:
    """Tell the class of photos with the network of a run, as a table.

    RUN is an id, the start of one, a name, last, best, or a model's URI such as models:/NAME@champion. PATH
    is an image, a folder (with all folders below), or a pattern such as "photos/**/*.jpg". What cannot be
    read is named, left out, and counted.
    """
    chosen = _format(output, form, force=force)
    from cnnexp.results.classifier import load
    from cnnexp.results.predict import find_images

    files = find_images(paths)
    classifier = load(run, tracking_uri, device=device)
    with _stream(output) as stream:
        _write(classifier, files, stream, form=chosen, top=min(top, len(classifier.class_names)))


def _format(output: str | None, form: str | None, *, force: bool) -> Format:
    from cnnexp.cli.output import check_writable

    if output is None:
        return "json" if form == "json" else "csv"
    check_writable(output, suffixes=list(SUFFIXES), option="--output", force=force)
    found: Format = "json" if Path(output).suffix.lower() == ".json" else "csv"
    if form not in (None, found):
        raise UserError(f"--format {form} and --output {output} say two things; leave --format out.")
    return found


@contextmanager
def _stream(output: str | None) -> Iterator[TextIO]:
    """A file is there at the end only, and whole: an old one stays until then."""
    if output is None:
        yield sys.stdout
        return
    draft = Path(f"{output}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        draft.replace(output)
    except OSError as error:  # a full disk, say; that a photo cannot be read never comes so far
        raise UserError(
            f"--output {output} cannot be written: {error.strerror}; name another place."
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _write(classifier: Classifier, files: list[Path], stream: TextIO, *, form: Format, top: int) -> None:
    from cnnexp.cli.bar import bar
    from cnnexp.data.dataset import BadImage
    from cnnexp.results.predict import WRITERS, predict_files

    since, num_bad = time.perf_counter(), 0
    writer = WRITERS[form](stream, top)
    with bar(hidden=stream.isatty()) as shown:
        for row in predict_files(classifier, files, top=top, progress=shown.progress):
            if isinstance(row, BadImage):
                num_bad += 1
                shown.say(f"Left out: {row.path}: {row.reason}")
            else:
                writer.write(row)
        writer.end()
    count, seconds = len(files) - num_bad, time.perf_counter() - since
    if not count:
        raise DataError(f"none of the {num_bad} files could be read as an image; the reasons are above.")
    skipped = f"; {num_bad:,} could not be read and are left out" if num_bad else ""
    said = (
        f"{count:,} {'image' if count == 1 else 'images'} in {seconds:.1f} s, {count / seconds:,.0f} a second"
    )
    click.echo(f"{said}{skipped}.", err=True)
