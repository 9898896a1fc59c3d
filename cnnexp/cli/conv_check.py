"""`cnnexp conv check`."""

from __future__ import annotations

import sys

import click

from cnnexp.cli.tables import print_table


@click.command()
@click.option(
    "--algorithm",
    "algorithms",
    multiple=True,
    metavar="NAME",
    help="loop, im2col, shift, fft, winograd or auto; repeat it for several. Default: all.",
)
@click.option(
    "--cases", default=50, show_default=True, type=click.IntRange(1, 100_000), help="Random shapes to try."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of shapes and values."
)
def check(algorithms: tuple[str, ...], cases: int, seed: int) -> None:
    """Prove the algorithms equal to torch's convolution on random shapes.

    Outputs and the gradients of images, weight and bias are compared with torch's in float64, each in float32
    and in float64. Errors are given in roundings: 1 is eps times the largest sum of magnitudes of a shape.
    Exit code 1 where one is over its bound.
    """
    import torch

    from cnnexp.convolution import ALGORITHMS
    from cnnexp.convolution.check import BOUND, random_cases
    from cnnexp.convolution.check import check as compare

    verdicts = list(compare(algorithms or ALGORITHMS, random_cases(cases, seed=seed)))
    columns = ("compared", "refused", "float32", "float64")
    print_table(
        ("algorithm", *columns, "equal"),
        (
            (
                one.algorithm,
                one.compared,
                one.refused,
                f"{one.worst[torch.float32]:.2f}",
                f"{one.worst[torch.float64]:.2f}",
                ("yes" if one.is_equal else "NO") if one.compared else "-",
            )
            for one in verdicts
        ),
        right=columns,
    )
    click.echo(f"largest error of outputs and gradients, in roundings; equal: at most {BOUND:.0f}")
    for one in verdicts:
        if one.why:
            click.echo(f"{one.algorithm} refused {one.refused} of {cases} cases, such as: {one.why}")
        if not one.is_equal:
            click.echo(f"{one.algorithm} is off most at {one.worst_case}")
    sys.exit(0 if all(one.is_equal for one in verdicts) else 1)
