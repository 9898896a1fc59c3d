"""`cnnexp data`: a data set looked at before it is trained on, a file per command."""

from __future__ import annotations

import click

from cnnexp.cli import LazyGroup

# Name -> help. Each is the function of that name in cnnexp.cli.data_<name>.
LOOKS = {"inspect": "Count, find duplicates, unreadable files and doubtful labels."}


class Looks(LazyGroup):
    """The commands, each imported when it is called."""

    commands_help = LOOKS
    prefix = "cnnexp.cli.data_"


@click.group(cls=Looks)
def data() -> None:
    """Look at a data set before training on it."""
