"""`cnnexp export`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cnnexp.results.export import Exported, Form


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--format", "form", type=click.Choice(["onnx", "pt2"]), required=True, help="Kind of file.")
@click.option(
    "-o", "--output", metavar="FILE", help="File to write.  [default: the run's name in this folder]"
)
@click.option(
    "--images", metavar="DIR", help="Images to check with.  [default: of the run's validation part]"
)
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def export(
    *, run: str, form: Form, output: str | None, images: str | None, force: bool, tracking_uri: str | None
) -> None:
    """Write the classifier of a run to one file: uint8 images in, probabilities out, any number of images.

    RUN is an id, the start of one, a name, last, best, or a model's URI. The file knows class names and image
    size, and is checked against the original before it is called done. onnx runs under onnxruntime (pip
    install 'cnnexp[export]'); pt2 loads with torch.export.load.
    """
    from cnnexp.cli.output import check_writable
    from cnnexp.results.export import check_extra
    from cnnexp.results.export import export as write
    from cnnexp.results.real_images import images_of_folder, images_of_run
    from cnnexp.results.rebuild import rebuild
    from cnnexp.results.recorded import find_recorded
    from cnnexp.tracking.store import open_store

    check_extra(form)
    recorded = find_recorded(open_store(tracking_uri, make=False), run)
    plain_name = re.sub(r"[^\w.-]+", "-", recorded.label)  # that any file system takes
    file = output or f"{plain_name}.{form}"
    check_writable(file, suffixes=[f".{form}"], option="--output", force=force)
    rebuilt = rebuild(recorded)
    pixels, what = images_of_folder(images, rebuilt.frame) if images else images_of_run(recorded)
    shape = ", ".join(map(str, rebuilt.spec.shape))
    _say(write(rebuilt, Path(file), form=form, images=pixels), what, shape, len(rebuilt.class_names))


def _say(found: Exported, checked_with: str, shape: str, num_classes: int) -> None:
    click.echo(f"Exported: {found.file}, {found.num_bytes / 1e6:.2f} MB")
    click.echo(f"takes      uint8 images (N, {shape}); gives probabilities (N, {num_classes})")
    click.echo(f"checked    {checked_with}: probabilities differ by at most {found.difference:.1e}")
    times = ", ".join(f"{1e3 * seconds:.2f} ms ({who})" for who, seconds in found.seconds.items())
    click.echo(f"one image  {times}; medians")
