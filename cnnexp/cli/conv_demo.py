"""`cnnexp conv demo`: the sliding window, step by step, in the terminal or as a page."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.errors import UserError

if TYPE_CHECKING:
    from rich.text import Text

    from cnnexp.convolution.sliding import Matrix, Sliding, Step

EXAMPLE_IMAGE, EXAMPLE_KERNEL = "1 2 3; 4 5 6; 7 8 9", "1 1; -1 -1"
WINDOW, ZERO, NEW = "bold black on bright_yellow", "dim", "bold white on blue"


@click.command()
@click.option(
    "--image", default=EXAMPLE_IMAGE, show_default=True, metavar="ROWS", help="Numbers; rows end with ;"
)
@click.option(
    "--kernel", default=EXAMPLE_KERNEL, show_default=True, metavar="ROWS", help="Numbers; rows end with ;"
)
@click.option(
    "--padding", type=click.IntRange(0, 15), default=0, show_default=True, help="Zeros on every side."
)
@click.option(
    "--stride", type=click.IntRange(1, 31), default=1, show_default=True, help="Pixels between two places."
)
@click.option("--flip", is_flag=True, help="Mirror the kernel first: convolution as mathematics has it.")
@click.option("--html", metavar="FILE", help="Write a page to step through instead; it needs no network.")
@click.option("--force", is_flag=True, help="Overwrite the page.")
def demo(
    image: str, kernel: str, *, padding: int, stride: int, flip: bool, html: str | None, force: bool
) -> None:
    """Show the sliding window step by step on a small matrix.

    A layer of a network does not flip its kernel: what it computes is a cross-correlation. With --flip it is
    the convolution of mathematics.
    """
    from cnnexp.convolution.sliding import parse_matrix, slide

    sliding = slide(
        parse_matrix(image, "--image"),
        parse_matrix(kernel, "--kernel"),
        padding=padding,
        stride=stride,
        flip=flip,
    )
    if html is None:
        show_steps(sliding)
    else:
        from cnnexp.cli.conv_page import page_of

        write_page(page_of(sliding), Path(html), force=force)
        click.echo(f"wrote {html}: {len(sliding.steps)} steps; open it in a browser")
    click.echo(verdict(sliding))


def write_page(text: str, path: Path, *, force: bool) -> None:
    """Writes a page.

    Raises:
        UserError: it exists, or cannot be written.
    """
    if path.exists() and not force:
        raise UserError(f"{path} exists; overwrite it with --force, or give another --html FILE.")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; give another --html FILE.") from error


def verdict(sliding: Sliding) -> str:
    """Returns the result in one line, and what torch's own convolution makes of it."""
    import torch

    kernel = torch.tensor(sliding.applied, dtype=torch.float64)
    image = torch.tensor(sliding.image, dtype=torch.float64)
    by_torch = torch.nn.functional.conv2d(
        image[None, None], kernel[None, None], stride=sliding.stride, padding=sliding.padding
    )
    output = torch.tensor(sliding.output, dtype=torch.float64)
    difference = (by_torch[0, 0] - output).abs().max().item()
    scale = max(output.abs().max().item(), 1.0)
    agrees = "the same" if difference == 0 else f"the same to {difference / scale:.0e}"
    of = " of the flipped kernel" if sliding.is_flipped else ""
    return f"result {_inline(sliding.output)}; torch.nn.functional.conv2d{of}: {agrees}"


def show_steps(sliding: Sliding) -> None:
    """Prints every step; on a terminal the window and the new output are in colour."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    sizes = [f"{len(one)}×{len(one[0])}" for one in (sliding.image, sliding.applied, sliding.output)]
    kind = "convolution (kernel flipped)" if sliding.is_flipped else "cross-correlation"
    console.print(
        f"{kind}: {sizes[0]} image, {sizes[1]} kernel, padding {sliding.padding}, stride {sliding.stride} "
        f"-> {sizes[2]} output\n"
    )
    for number, step in enumerate(sliding.steps, start=1):
        console.print(
            f"step {number} of {len(sliding.steps)}: output row {step.row + 1}, column {step.column + 1}"
        )
        for line in _picture(sliding, number):
            line.rstrip()
            console.print(line)
        console.print(Text(f"  {sum_of(sliding.applied, step)}\n"))


def sum_of(kernel: Matrix, step: Step) -> str:
    """Returns a step's sum as one would write it: `1·1 + 2·1 + 4·(-1) + 5·(-1) = -6`."""
    pairs = [
        (pixel, weight)
        for pixels, weights in zip(step.window, kernel, strict=True)
        for pixel, weight in zip(pixels, weights, strict=True)
    ]
    return (
        " + ".join(f"{_signed(pixel)}·{_signed(weight)}" for pixel, weight in pairs) + f" = {_w(step.total)}"
    )


def _picture(sliding: Sliding, number: int) -> list[Text]:
    """Returns image, kernel, products and the output so far, side by side."""
    from rich.text import Text

    step = sliding.steps[number - 1]
    rows, columns = len(sliding.applied), len(sliding.applied[0])
    covered = {(step.top + row, step.left + column) for row in range(rows) for column in range(columns)}
    columns_out = len(sliding.output[0])
    done = tuple(
        tuple(value if row * columns_out + column < number else None for column, value in enumerate(line))
        for row, line in enumerate(sliding.output)
    )
    blocks = [
        _block("image", sliding.padded, marked=covered, style=WINDOW, border=sliding.padding),
        _block("kernel", sliding.applied),
        _block("products", step.products),
        _block("output", done, marked={(step.row, step.column)}, style=NEW),
    ]
    blank = [Text(" " * len(block[0])) for block in blocks]
    lines = []
    for parts in zip_longest(*blocks):
        line = Text("  ")
        for part, empty in zip(parts, blank, strict=True):
            line.append_text(part if part is not None else empty)
            line.append("   ")
        lines.append(line)
    return lines


def _block(
    title: str,
    matrix: tuple[tuple[float | None, ...], ...],
    *,
    marked: set[tuple[int, int]] | None = None,
    style: str = "",
    border: int = 0,
) -> list[Text]:
    """Returns a matrix as lines of one length under a title; marked cells stand in brackets."""
    from rich.text import Text

    words = [["." if value is None else _w(value) for value in row] for row in matrix]
    width = max(len(word) for row in words for word in row)
    lines = []
    for row, line in enumerate(words):
        text = Text()
        for column, word in enumerate(line):
            is_marked = (row, column) in (marked or ())
            is_border = not (border <= row < len(words) - border and border <= column < len(line) - border)
            cell = f"[{word:>{width}}]" if is_marked else f" {word:>{width}} "
            text.append(cell, style if is_marked else ZERO if is_border else "")
        lines.append(text)
    full = max(len(title), len(lines[0]))
    for line_text in lines:
        line_text.pad_right(full - len(line_text))
    return [Text(f"{title:<{full}}", "bold"), *lines]


def _signed(number: float) -> str:
    return f"({_w(number)})" if number < 0 else _w(number)


def _w(number: float) -> str:
    from cnnexp.convolution.sliding import written

    return written(number)


def _inline(matrix: Matrix) -> str:
    return "[" + ", ".join("[" + ", ".join(map(_w, row)) + "]" for row in matrix) + "]"
