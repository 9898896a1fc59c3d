"""Windows of few channels: a column per output pixel with all that its window sees, R·S times the image."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnexp.convolution.windows import Axis, Windows, workspace


class WholeWindows(Windows):
    """A matrix (R·S·C + 1, P·Q) per image; the last row is ones, and carries the bias."""

    def __init__(self, count: int, channels: int, rows: Axis, columns: Axis, *, like: Tensor) -> None:
        super().__init__()
        taps = len(rows.taps), len(columns.taps)
        self.depth = taps[0] * taps[1] * channels
        shape = count, self.depth + 1, rows.output * columns.output
        self.matrices = workspace("windows", shape, like)
        boxes = self.matrices[:, : self.depth].view(count, *taps, channels, rows.output, columns.output)
        for r, row in enumerate(rows.taps):
            for s, column in enumerate(columns.taps):
                self.add_place(boxes[:, r, s], rows, columns, (row, column))
        if self.is_sparse:
            self.matrices.zero_()
        self.matrices[:, self.depth] = 1

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
