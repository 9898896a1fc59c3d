"""Windows of many channels: unfolded along the width only, S times the image.

Kernel row r meets the same columns r rows further down. So R matrix products, each over a shifted part of one
matrix, add up to what one product with whole windows gives, from a third of the copying for a 3×3 kernel.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from cnnexp.convolution.windows import Axis, Pairs, Windows, pair_of_tap, windows_view, workspace


class RowWindows(Windows):
    """Matrices (S·C, P·n·Q), one for each kernel row, that share their memory.

    A stride of t rows parts the image into t sets of rows, and a kernel row reads one of them only.

    Attributes:
        matrices: kernel row r, and its matrix.
    """

    def __init__(self, count: int, channels: int, rows: Axis, columns: Axis, *, like: Tensor) -> None:
        self.rows, self.columns = rows, columns
        self.depth = len(columns.taps) * channels
        self.boxes: list[tuple[int, Tensor]] = []  # first image row, and (n, S, C, rows, Q)
        self.matrices: list[tuple[int, Tensor]] = []
        across, sets = count * columns.output, _sets_of_rows(rows)
        # Pixels stand in the windows as they lie in the images: runs of channels, or runs of a row.
        channels_last = like.stride(1) == 1
        self.memory = workspace("windows", (sum(lines for _, lines, _ in sets), across * self.depth), like)
        used = 0
        for first, lines, members in sets:
            own = self.memory[used : used + lines]
            used += lines
            if channels_last:
                box = own.view(lines, count, columns.output, -1, channels).permute(1, 3, 4, 0, 2)
                matrix = own.view(-1, self.depth).t()
            else:
                box = own.view(-1, channels, lines, count, columns.output).permute(3, 0, 1, 2, 4)
                matrix = own.view(self.depth, -1)
            self.boxes.append((first, box))
            for r, down in members:
                self.matrices.append((r, matrix[:, down * across : (down + rows.output) * across]))

    def sources(self, images: Tensor) -> Pairs:
        """One pair for each set of rows; where windows reach over the edge, one more for each tap."""
        lines, width = [(first, box.shape[3]) for first, box in self.boxes], self.columns.output
        is_inside = all(self.columns.is_inside(tap, width) for tap in self.columns.taps)
        if is_inside and all(self.rows.is_inside(first, count) for first, count in lines):
            return [
                (box, windows_view(images, (1, *box.shape[1:]), self.rows, self.columns, first)[:, 0])
                for first, box in self.boxes
            ]
        self.memory.zero_()
        return self.targets(images)

    def targets(self, images: Tensor) -> Pairs:
        """One pair for each tap of each set of rows."""
        return [
            pair_of_tap(box[:, s], images, self.rows, self.columns, (first, column))
            for first, box in self.boxes
            for s, column in enumerate(self.columns.taps)
        ]

    def multiply(self, weights: Tensor, out: Tensor) -> None:
        """Writes the sum over kernel rows of weights times windows, and the bias, to out (n, K, P, Q)."""
        pixels, box = _as_matrix(out)
        for number, (r, matrix) in enumerate(self.matrices):
            if number:
                pixels.addmm_(self._row(weights, r), matrix)
            else:
                torch.addmm(weights[:, -1:], self._row(weights, r), matrix, out=pixels)
        if box is not None:
            out.copy_(box)

    def add_weight_gradient(self, gradient: Tensor, weights: Tensor) -> None:
        """Adds gradient (n, K, P, Q) times transposed windows, kernel row by kernel row."""
        pixels, box = _as_matrix(gradient)
        if box is not None:
            box.copy_(gradient)
        for r, matrix in self.matrices:
            self._row(weights, r).addmm_(pixels, matrix.t())
        weights[:, -1].addmv_(pixels, pixels.new_ones(pixels.shape[1]))

    def take_gradient(self, weights: Tensor, gradient: Tensor) -> None:
        """Overwrites the windows with the sum over kernel rows of transposed weights times gradient."""
        pixels, box = _as_matrix(gradient)
        if box is not None:
            box.copy_(gradient)
        self.memory.zero_()
        for r, matrix in self.matrices:
            matrix.addmm_(self._row(weights, r).t(), pixels)

    def _row(self, weights: Tensor, r: int) -> Tensor:
        return weights[:, r * self.depth : (r + 1) * self.depth]


def _as_matrix(pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    """Returns (K, P·n·Q) for pixels (n, K, P, Q), and None: a view of one image's.

    Pixels of several images do not lie in such an order: then it is memory to copy them to or from, and a
    view of it in their shape.
    """
    count, kernels, rows, columns = pixels.shape
    is_last = pixels.stride(1) == 1
    if count == 1 and (is_last or pixels.stride(3) == 1) and pixels.stride(2) == columns * pixels.stride(3):
        return pixels[0].flatten(1), None
    if is_last:
        memory = workspace("pixels", (rows, count, columns, kernels), pixels)
        return memory.view(-1, kernels).t(), memory.permute(1, 3, 0, 2)
    memory = workspace("pixels", (kernels, rows, count, columns), pixels)
    return memory.view(kernels, -1), memory.permute(2, 0, 1, 3)


@lru_cache(maxsize=256)
def _sets_of_rows(rows: Axis) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Parts kernel rows by which of every `step` image rows they read.

    Returns, for each set, the first image row, how many rows, and its members: kernel row, rows further down.
    """
    by_remainder: dict[int, list[int]] = {}
    for r, tap in enumerate(rows.taps):
        by_remainder.setdefault(tap % rows.step, []).append(r)
    sets = []
    for members in by_remainder.values():
        first = min(rows.taps[r] for r in members)
        down = [(r, (rows.taps[r] - first) // rows.step) for r in members]
        sets.append((first, rows.output + max(steps for _, steps in down), down))
    return sets
