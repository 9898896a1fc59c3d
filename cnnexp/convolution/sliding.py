"""The sliding window on one small matrix, written out step by step: what a layer does a million times.

Plain numbers in plain tuples: nothing here is fast, everything here can be followed with a pencil.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from cnnexp.errors import UserError

Matrix = tuple[tuple[float, ...], ...]
LARGEST_SIDE = 32  # pixels of a padded image that still can be looked at


@dataclass(frozen=True, slots=True)
class Step:
    """One place of the window.

    Attributes:
        row: of the output, from 0.
        column: of the output, from 0.
        top: first row of the padded image under the window.
        left: first column of the padded image under the window.
        window: the pixels under the window, R×S.
        products: window times kernel, element by element, R×S.
        total: their sum, the output at (row, column).
    """

    row: int
    column: int
    top: int
    left: int
    window: Matrix
    products: Matrix
    total: float


@dataclass(frozen=True, slots=True)
class Sliding:
    """A cross-correlation, or with a flipped kernel a convolution, and how it came about.

    Attributes:
        image: H×W.
        kernel: R×S, as it was given.
        applied: the kernel that slides: flipped along both axes for a true convolution.
        padding: zeros on every side.
        stride: pixels between two places of the window.
        padded: the image with its zeros.
        steps: one per output, row by row.
        output: P×Q.
    """

    image: Matrix
    kernel: Matrix
    applied: Matrix
    padding: int
    stride: int
    padded: Matrix
    steps: tuple[Step, ...]
    output: Matrix

    @property
    def is_flipped(self) -> bool:
        """Whether this is a true convolution of a kernel that is not its own mirror image."""
        return self.applied != self.kernel


def slide(image: Matrix, kernel: Matrix, *, padding: int = 0, stride: int = 1, flip: bool = False) -> Sliding:
    """Slides a kernel over an image and keeps every step.

    output[p][q] = Σ padded[p·stride + r][q·stride + s] · kernel[r][s] over r, s; with `flip` the kernel is
    mirrored first, which is what mathematics calls convolution.

    Args:
        image: H×W numbers.
        kernel: R×S numbers.
        padding: zeros on every side, at least 0.
        stride: at least 1.
        flip: mirror the kernel along both axes.

    Raises:
        UserError: the kernel is larger than the padded image, or that is too large to be looked at.
    """
    height, width = len(image) + 2 * padding, len(image[0]) + 2 * padding
    rows, columns = len(kernel), len(kernel[0])
    if max(height, width) > LARGEST_SIDE:
        raise UserError(
            f"the padded image has {height}×{width} pixels, and steps can be followed up to "
            f"{LARGEST_SIDE}×{LARGEST_SIDE}; give a smaller --image or less --padding."
        )
    if rows > height or columns > width:
        missing = max(rows - len(image), columns - len(image[0]))
        raise UserError(
            f"a {rows}×{columns} kernel does not fit into the {height}×{width} padded image; give a smaller "
            f"--kernel, or --padding {-(-missing // 2)} or more."
        )
    applied = tuple(row[::-1] for row in kernel[::-1]) if flip else kernel
    padded = _padded(image, padding)
    size = ((height - rows) // stride + 1, (width - columns) // stride + 1)
    places = [(row, column) for row in range(size[0]) for column in range(size[1])]
    steps = tuple(_step(padded, applied, row, column, stride) for row, column in places)
    totals = [step.total for step in steps]
    output = tuple(tuple(totals[row * size[1] : (row + 1) * size[1]]) for row in range(size[0]))
    return Sliding(image, kernel, applied, padding, stride, padded, steps, output)


def _padded(image: Matrix, padding: int) -> Matrix:
    sides = (0.0,) * padding
    empty = (0.0,) * (len(image[0]) + 2 * padding)
    return (empty,) * padding + tuple((*sides, *row, *sides) for row in image) + (empty,) * padding


def _step(padded: Matrix, kernel: Matrix, row: int, column: int, stride: int) -> Step:
    top, left = row * stride, column * stride
    window = tuple(line[left : left + len(kernel[0])] for line in padded[top : top + len(kernel)])
    products = tuple(
        tuple(pixel * weight for pixel, weight in zip(pixels, weights, strict=True))
        for pixels, weights in zip(window, kernel, strict=True)
    )
    total = math.fsum(product for line in products for product in line)
    return Step(row, column, top, left, window, products, total)


def parse_matrix(text: str, option: str) -> Matrix:
    """Returns the matrix that a text such as `1 2 3; 4 5 6` writes: rows end with `;`, commas are blanks.

    Args:
        text: as it was typed.
        option: where, for the sentence.

    Raises:
        UserError: it is empty, ragged, or has something that is not a finite number.
    """
    example = f"such as {option} '1 2; 3 4'"
    rows = [[_number(word, option, example) for word in re.split(r"[\s,]+", line.strip()) if word]
            for line in text.strip().rstrip(";").split(";")]  # fmt: skip
    lengths = [len(row) for row in rows]
    if 0 in lengths:
        where = "is empty" if lengths == [0] else f"has nothing in row {lengths.index(0) + 1}"
        raise UserError(f"{option} {text!r} {where}; write rows of numbers with ; between them, {example}.")
    if len(set(lengths)) > 1:
        told = ", ".join(map(str, lengths))
        raise UserError(f"{option} {text!r} has rows of {told} numbers; write rows of one length, {example}.")
    return tuple(map(tuple, rows))


def _number(word: str, option: str, example: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{option}: {word!r} is not a finite number; write numbers, {example}.")
    return number


def written(number: float) -> str:
    """Returns a number as short as it can be read: `-6`, `0.25`, `1.23e+08`."""
    return f"{number:.6g}" if number else "0"  # never -0
