"""`cnnexp show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from cnnexp.errors import UserError

if TYPE_CHECKING:
    from cnnexp.cli.portrait import Portrait
    from cnnexp.image_spec import ImageSpec

EXAMPLES = """Examples: `cnnexp show lenet`, `cnnexp show vgg11 --input 1x224x224 --depth 1`,
`cnnexp show alexnet vgg11 --input 1x224x224`."""


@click.command(epilog=EXAMPLES)
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--dataset", metavar="NAME", help="Images as this data set has them, or folder:PATH.")
@click.option("--input", "shape", metavar="CxHxW", help="Images of this shape, such as 1x28x28.")
@click.option("--classes", type=click.IntRange(min=2), help="How many classes.  [default: 10]")
@click.option(
    "--image-size", metavar="SIDE|HxW", help="Images of another size than --dataset or --input say."
)
@click.option("--data-dir", envvar="CNNEXP_DATA_DIR", help="Folder where data sets lie; else ./data.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Argument of the model's builder.")
@click.option("--plugin", multiple=True, metavar="FILE|MODULE", help="Python file or module with own models.")
@click.option("--depth", type=click.IntRange(min=1), help="Fold: one line per block of this depth of names.")
@click.option("--graph", metavar="FILE", help="Draw the network to this .svg or .png file.")
@click.option("--force", is_flag=True, help="Let --graph overwrite a file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs, and nothing else.")
@click.option(
    "--measure/--no-measure",
    default=None,
    help="Measure seconds per image here.  [default: two models or more]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1, max=65536),
    default=8,
    show_default=True,
    help="Images of a measured step, and of the memory it fills.",
)
@click.option("--device", default="auto", show_default=True, help="Where to measure: auto, cpu, cuda, mps.")
@click.option(
    "--threads", type=click.IntRange(min=0, max=4096), default=0, help="CPU threads; 0: as PyTorch chooses."
)
def show(
    *,
    models: tuple[str, ...],
    pairs: tuple[str, ...],
    plugin: tuple[str, ...],
    depth: int | None,
    graph: str | None,
    force: bool,
    as_json: bool,
    measure: bool | None,
    batch_size: int,
    device: str,
    threads: int,
    **images: Any,  # noqa: ANN401 - the options that `find_spec` takes
) -> None:  # fmt: skip
    """Show the layers of a network, draw it, or put several side by side.

    Nothing is trained. What a value "sees" is its receptive field, in pixels of the image.
    """
    from cnnexp.cli import portrait
    from cnnexp.cli.options import pairs_of
    from cnnexp.cli.show_input import find_spec
    from cnnexp.plugins import load_plugin

    for one in plugin:
        load_plugin(one)
    arguments = pairs_of(pairs, "model_args")
    spec, whence = find_spec(models, arguments, **images)
    if graph is not None:
        _check_graph(graph, models, force=force)
    is_measured = len(models) > 1 if measure is None else measure
    speed = portrait.Measuring(device, threads) if is_measured else None
    found = [portrait.portray(name, spec, arguments, batch_size=batch_size, speed=speed) for name in models]
    if graph is not None:
        portrait.draw(found[0], graph, depth)
    if as_json:
        click.echo(json.dumps([one.as_dict(depth) for one in found], indent=2))
        return
    _print(found, spec, whence, depth=depth)
    if graph is not None:
        click.echo(f"Drawn: {graph}")


def _check_graph(graph: str, models: tuple[str, ...], *, force: bool) -> None:
    from cnnexp.cli.output import check_writable

    if len(models) > 1:
        raise UserError(f"--graph {graph} draws one network, not {len(models)}; show one model.")
    check_writable(graph, suffixes=(".svg", ".png"), option="--graph", force=force)


def _print(found: list[Portrait], spec: ImageSpec, whence: str, *, depth: int | None) -> None:
    from cnnexp.cli import portrait
    from cnnexp.cli.tables import print_table

    names = ", ".join(one.name for one in found)
    click.echo(f"{names} on {spec}, {spec.num_classes} classes ({whence})\n")
    if len(found) == 1:
        table = found[0].table(depth)
        print_table(portrait.LAYER_HEADER, table.cells(), right=portrait.LAYER_NUMBERS)
        lines = table.totals() + found[0].sentences()
    else:
        header = portrait.comparison_header(found)
        print_table(header, [one.cells() for one in found], right=header[1:])
        lines = portrait.ratios(found) + found[0].conditions()
    click.echo("\n" + "\n".join(lines))
