"""`cnnexp datasets`."""

from __future__ import annotations

import click

from cnnexp.cli.tables import print_table


@click.command()
@click.option("--data-dir", envvar="CNNEXP_DATA_DIR", help="Folder where data sets lie; else ./data.")
@click.option("--plugin", multiple=True, metavar="FILE|MODULE", help="Also show what this registers.")
def datasets(data_dir: str | None, plugin: tuple[str, ...]) -> None:
    """List the registered data sets, and whether they are on disk already."""
    from cnnexp.data.catalog import describe_datasets
    from cnnexp.plugins import load_plugin

    for one in plugin:
        load_plugin(one)
    print_table(
        ("data set", "images", "size", "channels", "classes", "on disk", "where, or how to get it", "what"),
        (
            (
                row.name,
                row.images,
                row.image_size,
                row.channels,
                row.classes,
                "yes" if row.on_disk else "no",
                row.where,
                row.summary,
            )
            for row in describe_datasets(data_dir)
        ),
    )
