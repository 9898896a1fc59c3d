"""`cnnexp conv bench`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli.output import check_writable, save_figure
from cnnexp.cli.tables import print_table
from cnnexp.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnexp.convolution.bench import Row, Shape

DEFAULT = "im2col,shift,fft,winograd,auto"
LONGEST_LOOP_SECONDS = 20.0  # of one training step; the shape is left out for `loop` above that
HEADER = ("shape", "pass", "algorithm", "ms", "x torch", "extra MB")
_SHAPE = re.compile(r"(\d+)x(\d+)x(\d+)x(\d+):(\d+)k(\d+)(?:s(\d+))?(?:p(\d+))?")


@click.command()
@click.option(
    "--algorithms",
    default=DEFAULT,
    show_default=True,
    metavar="A,B,...",
    help="Who is timed against torch; loop too, where a step of it ends within 20 s.",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NxCxHxW:KkR[sS][pP]",
    help="Images, kernels, kernel size, stride, padding: 64x64x32x32:64k5s2p2. Default: six layers.",
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 4096), help="CPU threads.")
@click.option(
    "--rounds",
    default=15,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Of which the median counts.",
)
@click.option("--channels-last", is_flag=True, help="Images in the layout that training uses on a CPU.")
@click.option("--csv", "table", metavar="FILE", help="Also write the table.")
@click.option("--figure", "picture", metavar="FILE", help="Also draw it: .png, .svg or .pdf.")
@click.option("--force", is_flag=True, help="Overwrite these files.")
@click.option("--log", is_flag=True, help="Keep table and figure as a run in MLflow.")
@click.option("--tracking-uri", metavar="URI", help="Where --log writes; default as of training.")
def bench(
    *,
    algorithms: str,
    shapes: tuple[str, ...],
    threads: int,
    rounds: int,
    channels_last: bool,
    table: str | None,
    picture: str | None,
    force: bool,
    log: bool,
    tracking_uri: str | None,
) -> None:
    """Time the algorithms against torch's convolution: inference and training step, with memory.

    Every round gives each algorithm one turn. A training step is forward and backward; of a first layer,
    without the gradient of the images. The memory is what a pass allocates itself, its results included.
    """
    names = [name.strip() for name in algorithms.split(",") if name.strip()]
    wanted = [parse_shape(text) for text in shapes]
    if table is not None:
        check_writable(table, suffixes=(".csv",), option="--csv", force=force)
    if picture is not None:
        check_writable(picture, suffixes=(".png", ".svg", ".pdf"), option="--figure", force=force)
    rows = measured(names, wanted, threads=threads, rounds=rounds, channels_last=channels_last)
    print_table(HEADER, rows_of(rows), right=HEADER[3:])
    if table is not None:
        Path(table).write_text(csv_of(rows), encoding="utf-8")
    if picture is not None:
        save_figure(figure_of(rows), Path(picture), option="--figure")
    if log:
        _log(rows, names, threads=threads, tracking_uri=tracking_uri)


def parse_shape(text: str) -> Shape:
    """Reads `64x64x32x32:64k5s2p2`.

    Raises:
        UserError: it is written in another way, or has a zero where none can be.
    """
    from cnnexp.convolution.bench import Shape

    found = _SHAPE.fullmatch(text.strip().lower().replace("×", "x"))
    numbers = (
        [int(one or default) for one, default in zip(found.groups(), [0] * 6 + [1, 0], strict=True)]
        if found
        else []
    )
    if not numbers or 0 in numbers[:7]:
        raise UserError(
            f"--shape {text!r} must be NxCxHxW:KkR each at least 1, such as 16x3x64x64:32k3 or, with "
            "stride 2 and padding 2, 64x64x32x32:64k5s2p2."
        )
    n, c, h, w, kernels, size, stride, padding = numbers
    if min(h, w) + 2 * padding < size:
        raise UserError(
            f"--shape {text!r}: a kernel of {size}×{size} is larger than the padded image; add padding, "
            f"such as p{(size - min(h, w) + 1) // 2}."
        )
    return Shape(text, (n, c, h, w), kernels, size, stride, padding)


def measured(
    names: Sequence[str], shapes: Sequence[Shape], *, threads: int, rounds: int, channels_last: bool
) -> list[Row]:
    """Measures on so many threads; says which shapes are left out for `loop`, and why."""
    import torch

    from cnnexp.convolution.bench import SHAPES, measure
    from cnnexp.convolution.choice import check_name

    for name in names:
        check_name(name)
    rows: list[Row] = []
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for shape in shapes or SHAPES:
            able = [name for name in names if name != "loop" or _loop_ends(shape)]
            rows += measure([shape], able, rounds=rounds, channels_last=channels_last)
    finally:
        torch.set_num_threads(before)
    return rows


def _loop_ends(shape: Shape) -> bool:
    from cnnexp.convolution.estimate import loop_seconds

    seconds = sum(loop_seconds(shape.images, shape.weight, stride=shape.stride, padding=shape.padding))
    if seconds > LONGEST_LOOP_SECONDS:
        click.echo(
            f"loop is left out for {shape.name}: it would take about {seconds:,.0f} s a round", err=True
        )
    return seconds <= LONGEST_LOOP_SECONDS


def rows_of(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Returns the table's rows as text."""
    return [
        (
            one.shape.name,
            one.pass_name,
            one.algorithm,
            f"{1000 * one.seconds:.2f}",
            f"{one.ratio:.2f}",
            f"{one.extra_bytes / 1e6:.1f}",
        )
        for one in rows
    ]


def csv_of(rows: Iterable[Row]) -> str:
    """Returns the table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows_of(rows))
    return text.getvalue()


def figure_of(rows: Sequence[Row]) -> Figure:
    """Returns the ratios as a figure, a panel per pass."""
    from cnnexp.convolution.bench import REFERENCE
    from cnnexp.figures.algorithms import algorithm_costs

    found = {(one.pass_name, one.algorithm, one.shape.name): one.ratio for one in rows}
    passes, names, shapes = (list(dict.fromkeys(column)) for column in zip(*found, strict=True))
    names.remove(REFERENCE)
    ratios = {
        which: {name: [found.get((which, name, shape)) for shape in shapes] for name in names}
        for which in passes
    }
    last = names[-1]
    worst = max(ratio for (_, name, _), ratio in found.items() if name == last)
    return algorithm_costs(
        ratios, shapes, title=f"Convolution by hand: {last} takes at most {worst:.1f} times torch's time"
    )


def _log(rows: Sequence[Row], names: Sequence[str], *, threads: int, tracking_uri: str | None) -> None:
    from cnnexp.settings import Settings
    from cnnexp.tracking.store import open_store
    from cnnexp.training.events import Outcome, Status

    store = open_store(tracking_uri)
    experiment = store.experiment_id(Settings().tracking.experiment)
    run = store.create_run(experiment, run_name="conv-bench", tags={"kind": "bench"})
    run.log_params({"algorithms": ",".join(names), "threads": threads})
    run.log_text(csv_of(rows), "bench.csv")
    run.log_figure(figure_of(rows), "figures/bench.png")
    run.finish(Outcome(Status.COMPLETED, "measured"))
    click.echo(f"run      {run.name}  {run.id}")
