"""Windows of few channels: a column per output pixel with all that its window sees, R·S times the image."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnexp.convolution.windows import Axis, Pairs, Windows, pair_of_tap, windows_view, workspace

WHOLE_DEPTH = 100  # R·S·C up to which whole windows are faster than rows of them; measured as in `choice`


class WholeWindows(Windows):
    """A matrix (R·S·C + 1, P·Q) per image; the last row is ones, and carries the bias.

    The images it reads have their zeros around them already.
    """

    def __init__(self, count: int, channels: int, rows: Axis, columns: Axis, *, like: Tensor) -> None:
        self.rows, self.columns = rows, columns
        taps = len(rows.taps), len(columns.taps)
        self.depth = taps[0] * taps[1] * channels
        self.matrices = workspace("windows", (count, self.depth + 1, rows.output * columns.output), like)
        self.matrices[:, self.depth] = 1
        self.boxes = self.matrices[:, :-1].view(count, *taps, channels, rows.output, columns.output)

    def sources(self, images: Tensor) -> Pairs:
        """One pair for all taps."""
        shape = tuple(self.boxes.shape[1:])
        return [(self.boxes, windows_view(images, shape, self.rows, self.columns, self.rows.taps[0]))]

    def targets(self, images: Tensor) -> Pairs:
        """One pair for each tap."""
        return [
            pair_of_tap(self.boxes[:, r, s], images, self.rows, self.columns, (row, column))
            for r, row in enumerate(self.rows.taps)
            for s, column in enumerate(self.columns.taps)
        ]

    def multiply(self, weights: Tensor, out: Tensor) -> None:
        """Writes weights times windows to out (n, K, P, Q)."""
        count, pixels = len(out), out.flatten(2)
        if pixels.stride(2) == 1:
            torch.bmm(weights.expand(count, -1, -1), self.matrices, out=pixels)
        else:  # channels last: the same product, transposed
            turned = weights.t().expand(count, -1, -1)
            torch.bmm(self.matrices.transpose(1, 2), turned, out=pixels.transpose(1, 2))

    def add_weight_gradient(self, gradient: Tensor, weights: Tensor) -> None:
        """Adds gradient (n, K, P, Q) times transposed windows, summed over images."""
        pixels = gradient.flatten(2)
        if pixels.stride(2) == 1:
            weights += torch.bmm(pixels, self.matrices.transpose(1, 2)).sum(0, dtype=weights.dtype)
        else:
            turned = torch.bmm(self.matrices, pixels.transpose(1, 2))
            weights += turned.sum(0, dtype=weights.dtype).t()

    def take_gradient(self, weights: Tensor, gradient: Tensor) -> None:
        """Overwrites the windows, but for the ones, with transposed weights times gradient (n, K, P, Q)."""
        turned = weights[:, : self.depth].t().expand(len(gradient), -1, -1)
        torch.bmm(turned, gradient.flatten(2), out=self.matrices[:, : self.depth])
