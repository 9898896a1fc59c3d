"""`cnnexp conv`: the laboratory of hand-written convolutions, a file per experiment."""

from __future__ import annotations

import click

from cnnexp.cli import LazyGroup

# Name -> help. Each is the function of that name in cnnexp.cli.conv_<name>.
EXPERIMENTS = {
    "demo": "Show the sliding window step by step on a small matrix.",
    "check": "Prove the algorithms equal to torch's convolution on random shapes.",
    "bench": "Time the algorithms against torch's convolution.",
    "race": "Train the same network with several algorithms, from the same weights.",
}


class Laboratory(LazyGroup):
    """The experiments, each imported when it is called."""

    commands_help = EXPERIMENTS
    prefix = "cnnexp.cli.conv_"


@click.group(cls=Laboratory)
def conv() -> None:
    """Convolution by hand: watch it, prove it, time it, train with it."""
