"""`cnnexp cache`."""

from __future__ import annotations

import time

import click

from cnnexp.cli.tables import print_table

MEGABYTE = 1e6


@click.group(invoke_without_command=True)
@click.pass_context
def cache(context: click.Context, /) -> None:
    """Show the decoded images kept on disk; `cnnexp cache clear` removes them."""
    if context.invoked_subcommand is not None:
        return
    from cnnexp.data.cache import cache_info

    info = cache_info()
    size, limit = info.num_bytes / MEGABYTE, info.limit_bytes / MEGABYTE
    click.echo(f"{info.folder}: {len(info.entries)} sets, {size:,.1f} MB of at most {limit:,.0f} MB")
    if info.entries:
        print_table(
            ("data set", "images", "MB", "last used"),
            (
                (
                    entry.dataset,
                    f"{entry.num_images:,}",
                    f"{entry.num_bytes / MEGABYTE:,.1f}",
                    time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.last_used)),
                )
                for entry in info.entries
            ),
            right=("images", "MB"),
        )


@cache.command()
def clear() -> None:
    """Remove every decoded set; the next run decodes again."""
    from cnnexp.cache_folder import cache_folder
    from cnnexp.data.cache import clear_cache

    freed = clear_cache()
    click.echo(f"{cache_folder()}: {freed / MEGABYTE:,.1f} MB freed")
