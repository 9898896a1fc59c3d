"""`cnnexp models`."""

from __future__ import annotations

import click

from cnnexp.cli.tables import print_table


@click.command()
@click.option("--counts", is_flag=True, help="Show parameters and MACs on usual images instead.")
@click.option("--plugin", multiple=True, metavar="FILE|MODULE", help="Also show what this registers.")
def models(counts: bool, plugin: tuple[str, ...]) -> None:
    """List the registered models, what they are, and their arguments."""
    from cnnexp.plugins import load_plugin

    for one in plugin:
        load_plugin(one)
    if counts:
        _print_counts()
    else:
        _print_models()


def _print_models() -> None:
    from cnnexp.models import MODELS

    rows = [
        (
            entry.name,
            entry.summary,
            " ".join(f"{one.name}={_plain(one.default)}" for one in entry.arguments()),
            ", ".join(MODELS.aliases(entry.name)),
        )
        for entry in MODELS
    ]
    print_table(("model", "what", "arguments (--set)", "also called"), rows)


def _print_counts() -> None:
    """Prints what each model has on three images; networks of torchvision's are imported for it."""
    from cnnexp.errors import UserError
    from cnnexp.image_spec import ImageSpec
    from cnnexp.models import MODELS, layer_table, outline_model

    specs = (ImageSpec(1, 28, 28, 10), ImageSpec(3, 32, 32, 10), ImageSpec(3, 224, 224, 10))

    def cells(name: str) -> list[str]:
        found = []
        for spec in specs:
            try:
                table = layer_table(outline_model(name, spec), spec)
                found += [f"{table.parameters:,}", f"{table.macs:,}"]
            except UserError:  # this model needs larger images, or arguments without a default
                found += ["–", "–"]
        return found

    columns = [f"{what} {spec}" for spec in specs for what in ("parameters", "MACs")]
    print_table(("model", *columns), ((name, *cells(name)) for name in MODELS.names()), right=columns)


def _plain(value: object) -> str:
    if value is ...:
        return "?"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{','.join(_plain(one) for one in value)}]" if isinstance(value, tuple) else str(value)
