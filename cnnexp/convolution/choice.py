"""Which algorithm can compute a convolution, and which one `auto` takes."""

from __future__ import annotations

from dataclasses import dataclass

from cnnexp.convolution.geometry import Numbers, pair
from cnnexp.convolution.whole_windows import WHOLE_DEPTH
from cnnexp.errors import ConvolutionError, did_you_mean

ALGORITHMS: tuple[str, ...] = ("loop", "im2col", "shift", "fft", "winograd", "auto")


@dataclass(frozen=True, slots=True)
class Choice:
    """What `auto` takes for a shape.

    Attributes:
        algorithm: a name of ALGORITHMS, never "auto".
        why: the reason, as a clause without a full stop.
    """

    algorithm: str
    why: str


# Measured on an Intel Xeon with AVX-512 and 2 MiB of second-level cache, torch 2.14, one thread, float32,
# November 2026. FFT : im2col, training step of 16×64×32×32 -> 64 in ms: 7×7 291 : 123, 11×11 306 : 326, 13×13
# 338 : 448, 15×15 368 : 592; with 3 input channels im2col wins up to 15×15. Winograd F(2, 3) takes 1.3 to 3.7
# times as long as im2col, shift 2 to 3 times but for 1×1 kernels. Depthwise: shift and im2col are near.
_LARGE_KERNEL = 13 * 13
_MANY_CHANNELS = 16


def choose(
    images: tuple[int, ...],
    weight: tuple[int, ...],
    *,
    stride: Numbers = 1,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Choice:
    """Says what `auto` takes for images (N, C, H, W) and a weight (K, C/groups, R, S).

    A function of the shapes alone: the same network takes the same algorithms on every machine.
    """
    kernel, depth = weight[2] * weight[3], weight[1] * weight[2] * weight[3]
    is_dense = pair(stride) == pair(dilation) == (1, 1) and groups == 1
    if kernel == 1:
        return Choice("shift", "a 1×1 kernel is one matrix product, without any window")
    if is_dense and kernel >= _LARGE_KERNEL and images[1] >= _MANY_CHANNELS:
        return Choice("fft", f"a kernel of {weight[2]}×{weight[3]} costs no more than a small one this way")
    layout = "whole windows" if depth <= WHOLE_DEPTH else "rows of windows"
    return Choice("im2col", f"{layout} of {depth} numbers, multiplied in blocks that fit the cache")


def check_name(algorithm: str) -> None:
    """Refuses a name that is no algorithm.

    Raises:
        ConvolutionError: with the names that there are.
    """
    if algorithm not in ALGORITHMS:
        raise ConvolutionError(
            f"unknown convolution algorithm {algorithm!r}{did_you_mean(algorithm, ALGORITHMS)} "
            f"Known: {', '.join(ALGORITHMS)}."
        )


def refusal(
    algorithm: str, *, kernel_size: Numbers, stride: Numbers = 1, dilation: Numbers = 1
) -> str | None:
    """Returns the sentence why an algorithm cannot compute such a convolution; None where it can.

    Only `winograd` has limits: 3×3 kernels, stride 1, dilation 1.

    Raises:
        ConvolutionError: no such algorithm.
    """
    check_name(algorithm)
    given = {"kernel": pair(kernel_size), "stride": pair(stride), "dilation": pair(dilation)}
    wanted = {"kernel": (3, 3), "stride": (1, 1), "dilation": (1, 1)}
    wrong = [f"{what} {a}×{b}" for what, (a, b) in given.items() if (a, b) != wanted[what]]
    if algorithm != "winograd" or not wrong:
        return None
    others = ", ".join(name for name in ALGORITHMS if name != "winograd")
    return (
        f"winograd computes 3×3 kernels with stride 1 and dilation 1, and this one has "
        f"{' and '.join(wrong)}; take one of {others}."
    )
