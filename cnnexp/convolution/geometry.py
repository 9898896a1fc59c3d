"""Sizes of a convolution: padding, output size, and everything about shapes that can be wrong.

Letters used in the whole package: N images, C input channels, K output channels, G groups, H×W input pixels,
R×S kernel, P×Q output pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from cnnexp.errors import ConvolutionError

Pair = tuple[int, int]
Numbers = int | tuple[int, ...]  # one for rows and columns alike, or two
Padding = Numbers | str


@dataclass(frozen=True, slots=True)
class Geometry:
    """One convolution without its numbers.

    Attributes:
        kernel: R, S.
        stride: rows, columns.
        dilation: rows, columns.
        padding: zeros at the top, bottom, left and right.
        groups: G; each group of C/G input channels makes K/G output channels.
        output: P, Q.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: tuple[int, int, int, int]
    groups: int
    output: Pair

    @property
    def extent(self) -> Pair:
        """Pixels between the first and the last that one window covers, both included."""
        return extent(self.kernel[0], self.dilation[0]), extent(self.kernel[1], self.dilation[1])

    def pad(self, images: Tensor) -> Tensor:
        """Returns images (N, C, H, W) with zeros around them; the images themselves where there are none."""
        top, bottom, left, right = self.padding
        return F.pad(images, (left, right, top, bottom)) if any(self.padding) else images

    def window(self, row: int, column: int) -> tuple[slice, slice]:
        """Returns the pixels of a padded image that the kernel covers for one output pixel."""
        top, left = row * self.stride[0], column * self.stride[1]
        height, width = self.extent
        return slice(top, top + height, self.dilation[0]), slice(left, left + width, self.dilation[1])

    def shifted(self, padded: Tensor, row: int, column: int) -> Tensor:
        """Returns the pixels (…, P, Q) that one kernel element meets, one per output pixel; a view."""
        top, left = row * self.dilation[0], column * self.dilation[1]
        bottom = top + (self.output[0] - 1) * self.stride[0] + 1
        right = left + (self.output[1] - 1) * self.stride[1] + 1
        return padded[..., top : bottom : self.stride[0], left : right : self.stride[1]]


def extent(size: int, dilation: int) -> int:
    """Returns how many pixels a kernel of that size spans along one axis."""
    return (size - 1) * dilation + 1


def pair(value: Numbers) -> Pair:
    """Returns (rows, columns) from one number for both, or from two."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def pad_amounts(padding: Padding, *, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[int, int, int, int]:
    """Returns zeros at the top, bottom, left and right; 'same' puts the odd one at the bottom and right.

    Raises:
        ConvolutionError: 'same' with a stride, an unknown word, or a negative number.
    """
    if isinstance(padding, str):
        if padding not in {"same", "valid"}:
            raise ConvolutionError(
                f"padding {padding!r} is unknown: give a number, a pair, 'same' or 'valid'."
            )
        if padding == "same" and stride != (1, 1):
            raise ConvolutionError(
                f"padding 'same' needs stride 1, and stride is {stride}: give the padding as a number."
            )
        total = [extent(k, d) - 1 if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        return total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2
    rows, columns = pair(padding)
    if min(rows, columns) < 0:
        raise ConvolutionError(f"padding {padding} is negative: 0 or more zeros can be added at each side.")
    return rows, rows, columns, columns


def find_geometry(
    images: tuple[int, ...],
    weight: tuple[int, ...],
    *,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Geometry:
    """Works out the sizes of a convolution of images (N, C, H, W) with a weight (K, C/G, R, S).

    Raises:
        ConvolutionError: channels and groups do not fit, the kernel is larger than the padded image, or a
            number is out of its range.
    """
    _check_numbers(images, weight, groups)
    steps, spacing, kernel = pair(stride), pair(dilation), (weight[2], weight[3])
    if min(steps) < 1 or min(spacing) < 1:
        raise ConvolutionError(f"stride {stride} and dilation {dilation} must be 1 or more.")
    around = pad_amounts(padding, kernel=kernel, stride=steps, dilation=spacing)
    padded = images[2] + around[0] + around[1], images[3] + around[2] + around[3]
    spans = extent(kernel[0], spacing[0]), extent(kernel[1], spacing[1])
    if padded[0] < spans[0] or padded[1] < spans[1]:
        raise ConvolutionError(
            f"the kernel covers {spans[0]}×{spans[1]} pixels and the padded image has "
            f"{padded[0]}×{padded[1]}: take a smaller kernel, less dilation, more padding, or larger images."
        )
    output = (padded[0] - spans[0]) // steps[0] + 1, (padded[1] - spans[1]) // steps[1] + 1
    return Geometry(kernel, steps, spacing, around, groups, output)


def _check_numbers(images: tuple[int, ...], weight: tuple[int, ...], groups: int) -> None:
    if len(images) != 4 or len(weight) != 4:  # noqa: PLR2004  # N C H W, K C R S
        raise ConvolutionError(
            f"images {tuple(images)} and weight {tuple(weight)} must have the four axes N, C, H, W and "
            "K, C/groups, R, S."
        )
    channels, kernels = images[1], weight[0]
    if groups < 1 or channels % groups or kernels % groups:
        raise ConvolutionError(
            f"groups={groups} must divide the {channels} input and the {kernels} output channels."
        )
    if channels != weight[1] * groups:
        raise ConvolutionError(
            f"the images have {channels} channels and the weight takes {weight[1] * groups} "
            f"({weight[1]} in each of {groups} groups)."
        )
    if min(kernels, *weight[1:]) < 1:
        raise ConvolutionError(f"weight {tuple(weight)} has an empty axis: every size must be 1 or more.")
