"""The one entrance to all algorithms: checks, padding, autocast, bias."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cnnexp.convolution.blocks import HALVES, fits, im2col_in_blocks, layout
from cnnexp.convolution.choice import choose, refusal
from cnnexp.convolution.fft import fft
from cnnexp.convolution.geometry import Geometry, Numbers, Padding, find_geometry
from cnnexp.convolution.im2col import im2col
from cnnexp.convolution.loop import loop
from cnnexp.convolution.shift import shift
from cnnexp.convolution.winograd import winograd
from cnnexp.errors import ConvolutionError

Algorithm = Callable[[Tensor, Tensor, Geometry], Tensor]
_BY_NAME: dict[str, Algorithm] = {
    "loop": loop,
    "im2col": im2col,
    "shift": shift,
    "fft": fft,
    "winograd": winograd,
}


def convolve(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
    groups: int = 1,
    algorithm: str = "auto",
) -> Tensor:
    """Cross-correlates images with a weight, exactly as `torch.nn.functional.conv2d`; differentiable.

    Args:
        images: (N, C, H, W), or (C, H, W) for one image.
        weight: (K, C/groups, R, S).
        bias: (K,), added to every pixel of each output channel.
        stride: pixels between windows.
        padding: zeros around the image: a number, (rows, columns), 'valid' or 'same'.
        dilation: pixels between the elements of the kernel.
        groups: parts of the channels that are convolved apart.
        algorithm: one of ALGORITHMS.

    Returns:
        (N, K, P, Q), P = (H + 2·padding − dilation·(R − 1) − 1) / stride + 1, or (K, P, Q); under autocast in
        its dtype.

    Raises:
        ConvolutionError: sizes that do not fit each other, or the algorithm.
    """
    if images.dim() == 3:  # noqa: PLR2004  # C H W
        whole = convolve(
            images.unsqueeze(0), weight, bias, stride=stride, padding=padding, dilation=dilation,
            groups=groups, algorithm=algorithm,
        )  # fmt: skip
        return whole.squeeze(0)
    geometry = find_geometry(
        tuple(images.shape), tuple(weight.shape),
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip
    chosen = _resolve(algorithm, images, weight, geometry)
    kind = images.device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return _compute(chosen, images, weight, bias, geometry)
    dtype = torch.get_autocast_dtype(kind)
    bias = None if bias is None else bias.to(dtype)
    with torch.autocast(kind, enabled=False):
        return _compute(chosen, images.to(dtype), weight.to(dtype), bias, geometry)


def _compute(
    algorithm: str, images: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry
) -> Tensor:
    # A traced graph, or the meta device, wants the operations and the shapes, and not a loop unrolled.
    if images.is_meta or torch.compiler.is_compiling():
        algorithm = "im2col"
    if algorithm == "im2col" and fits(images, weight):
        return im2col_in_blocks(images, weight, bias, geometry)
    # What adds up several products would round each to half precision; FFTs have none on a CPU.
    dtype, is_one_product = images.dtype, algorithm == "im2col" or geometry.kernel == (1, 1)
    wide = torch.float32 if dtype in HALVES and not is_one_product else dtype
    product = _BY_NAME[algorithm](images.to(wide), weight.to(wide), geometry).to(dtype)
    product = product if bias is None else product + bias[:, None, None]
    return product.contiguous(memory_format=layout(images, weight))


def _resolve(algorithm: str, images: Tensor, weight: Tensor, geometry: Geometry) -> str:
    if algorithm == "auto":
        return choose(
            tuple(images.shape), tuple(weight.shape),
            stride=geometry.stride, dilation=geometry.dilation, groups=geometry.groups,
        ).algorithm  # fmt: skip
    reason = refusal(
        algorithm, kernel_size=geometry.kernel, stride=geometry.stride, dilation=geometry.dilation
    )
    if reason is not None:
        raise ConvolutionError(reason)
    return algorithm
