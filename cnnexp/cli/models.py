"""`cnnexp models`."""

from __future__ import annotations

import click

from cnnexp.cli.tables import print_table


@click.command()
@click.option("--plugin", multiple=True, metavar="FILE|MODULE", help="Also show what this registers.")
def models(plugin: tuple[str, ...]) -> None:
    """List the registered models, with parameters and MACs on 28×28 grey and 32×32 colour images."""
    from cnnexp.errors import UserError
    from cnnexp.image_spec import ImageSpec
    from cnnexp.models import MODELS, build_model, layer_table
    from cnnexp.plugins import load_plugin

    for one in plugin:
        load_plugin(one)
    specs = (ImageSpec(1, 28, 28, 10), ImageSpec(3, 32, 32, 10))

    def counts(name: str) -> list[str]:
        cells = []
        for spec in specs:
            try:
                table = layer_table(build_model(name, spec), spec)
                cells += [f"{table.parameters:,}", f"{table.macs:,}"]
            except UserError:  # this model needs larger images, or arguments without a default
                cells += ["–", "–"]
        return cells

    columns = [f"{what} {spec}" for spec in specs for what in ("parameters", "MACs")]
    rows = [
        (
            entry.name,
            *counts(entry.name),
            ", ".join(f"{one.name}={_plain(one.default)}" for one in entry.arguments()),
            entry.summary,
        )
        for entry in MODELS
    ]
    print_table(("model", *columns, "arguments (--set)", "what"), rows, right=columns)


def _plain(value: object) -> str:
    if value is ...:
        return "?"
    return f"[{','.join(str(one) for one in value)}]" if isinstance(value, tuple) else str(value)
