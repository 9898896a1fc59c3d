"""`cnnexp look`."""

from __future__ import annotations

import re

import click


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "-o", "--output", metavar="DIR", help="Folder for the figures.  [default: look-RUN in this folder]"
)
@click.option(
    "--class", "class_name", metavar="NAME", help="Class that Grad-CAM looks for.  [default: predicted]"
)
@click.option("--layer", metavar="NAME", help="Layer that Grad-CAM weighs.  [default: the last convolution]")
@click.option("--data-dir", envvar="CNNEXP_DATA_DIR", help="Folder where the run's data set lies now.")
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
def look(
    *,
    run: str,
    images: tuple[str, ...],
    output: str | None,
    class_name: str | None,
    layer: str | None,
    data_dir: str | None,
    tracking_uri: str | None,
) -> None:
    """Draw what a trained network has learned: its first filters, and of images feature maps and Grad-CAM.

    RUN is an id, the start of one, a name, or last. IMAGE is a file, or test:17 for an image of the run's
    test part, counted from 0.
    """
    from cnnexp.cli.output import make_folder, save_figure
    from cnnexp.experiment import look as looking
    from cnnexp.experiment.listener import Listener

    trained = looking.open_trained(run, tracking_uri=tracking_uri, data_dir=data_dir, listener=Listener())
    assembly = trained.assembly
    label = looking.class_number(assembly, class_name)
    shown = looking.read_images(assembly, images)
    attention = looking.draw_attention(assembly, shown, label=label, layer=layer)
    drawn = {"filters": looking.draw_filters(assembly), "grad_cam": attention}
    for number, image in enumerate(shown, start=1):
        drawn[f"maps_{number}_{_plain(image.name)}"] = looking.draw_feature_maps(assembly, image)
    folder = make_folder(output or f"look-{_plain(trained.run_name)}", option="--output")
    for name, figure in drawn.items():
        if figure is not None:
            click.echo(f"Drawn: {save_figure(figure, folder / f'{name}.png', option='--output')}")
    if attention is None:
        click.echo(looking.NO_MAPS)


def _plain(name: str) -> str:
    """A name that any file system takes."""
    return re.sub(r"[^\w.-]+", "-", name)
