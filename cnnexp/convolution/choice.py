"""Which algorithm can compute a convolution, and which one `auto` takes."""

from __future__ import annotations

from dataclasses import dataclass

from cnnexp.convolution.geometry import Numbers, pair
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


def choose(
    images: tuple[int, ...], weight: tuple[int, ...], *, stride: Numbers = 1, groups: int = 1
) -> Choice:
    """Says what `auto` takes for images (N, C, H, W) and a weight (K, C/G, R, S)."""
    del images, stride
    if weight[2:] == (1, 1):
        return Choice("shift", "a 1×1 kernel is one matrix product")
    if groups == weight[0] and weight[1] == 1:
        return Choice("shift", "with one channel per group there is no matrix to multiply")
    return Choice("im2col", "one matrix product over all windows")


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
