"""`cnnexp report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from cnnexp.results.report.topic import Kind


@click.command()
@click.argument("what", metavar="RUN|STUDY|EXPERIMENT")
@click.option("-o", "--output", metavar="FILE", default="report.html", show_default=True, help="The page.")
@click.option(
    "--bundle", metavar="FILE", help="Zip file to hand in: page, settings, weights, tables, commands."
)
@click.option(
    "--kind",
    type=click.Choice(["run", "study", "experiment"]),
    help="What the name is the name of.  [default: found]",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@click.option("--data-dir", envvar="CNNEXP_DATA_DIR", help="Folder where the run's data set lies now.")
@click.option(
    "--dataset", metavar="NAME", help="What it is called now: folder:PATH of photos that have moved."
)
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def report(
    *,
    what: str,
    output: str,
    bundle: str | None,
    kind: str | None,
    force: bool,
    data_dir: str | None,
    dataset: str | None,
    tracking_uri: str | None,
) -> None:
    """Write a run, a study or an experiment as one HTML file that opens offline.

    RUN is an id, the start of one, a name, last, best, or a model's URI; STUDY and EXPERIMENT are names.
    The test part is not evaluated anew: its images are only shown.
    """
    from cnnexp.cli.output import check_writable

    check_writable(output, suffixes=(".html", ".htm"), option="--output", force=force)
    if bundle is not None:
        check_writable(bundle, suffixes=(".zip",), option="--bundle", force=force)
    from cnnexp.cli.terminal import Terminal
    from cnnexp.errors import UserError
    from cnnexp.results.report import report as write

    choice = cast("Kind | None", kind)
    places = {"data_dir": data_dir, "dataset": dataset, "tracking_uri": tracking_uri}
    with Terminal(quiet=False) as terminal:
        try:
            written = write(what, output, kind=choice, bundle=bundle, progress=terminal.progress, **places)
        except OSError as error:
            place = error.filename or output
            raise UserError(f"{place} cannot be written: {error.strerror}; name another place.") from error
        for sentence in written.missing:
            terminal.note(sentence)
    for path in (written.path, written.bundle):
        if path is not None:
            click.echo(f"Written: {path} ({path.stat().st_size / 1e6:.1f} MB)")
