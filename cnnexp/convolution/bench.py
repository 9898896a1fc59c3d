"""Measures algorithms against `nn.Conv2d`'s: seconds and memory over shapes. Prints nothing.

Here alone in the package the library's convolution is called: it is what the others are compared with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Literal

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cnnexp.convolution.choice import refusal
from cnnexp.convolution.convolve import convolve
from cnnexp.convolution.windows import forget_workspace

Pass = Literal["inference", "training step", "training step, first layer"]
PASSES: tuple[Pass, ...] = ("inference", "training step", "training step, first layer")
REFERENCE = "torch"
_SLOW_SECONDS = 1.0  # a call that takes longer is measured once: `loop`


@dataclass(frozen=True, slots=True)
class Shape:
    """A convolution to be measured: images (N, C, H, W), K square kernels."""

    name: str
    images: tuple[int, int, int, int]
    kernels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """K, C, R, S."""
        return self.kernels, self.images[1], self.kernel_size, self.kernel_size


SHAPES: tuple[Shape, ...] = (
    Shape("S0's layer", (16, 3, 64, 64), 32, 3),
    Shape("64 channels, 32×32", (64, 64, 32, 32), 64, 3, padding=1),
    Shape("64 channels, 5×5, stride 2", (64, 64, 32, 32), 64, 5, stride=2, padding=2),
    Shape("256 channels, 8×8", (64, 256, 8, 8), 256, 3, padding=1),
    Shape("LeNet's first layer", (64, 1, 28, 28), 6, 5),
    Shape("LeNet's second layer", (64, 6, 12, 12), 16, 5),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one algorithm.

    Attributes:
        shape: of the convolution.
        algorithm: a name of ALGORITHMS, or "torch".
        pass_name: inference; training step: forward, gradients of weight, bias and images; first layer:
            without that of the images.
        seconds: median of the rounds.
        ratio: seconds over those of "torch".
        extra_bytes: most memory alive at once that the pass itself allocated, its results included, to within
            one part in a hundred. What a library allocates inside one call is not seen.
    """

    shape: Shape
    algorithm: str
    pass_name: Pass
    seconds: float
    ratio: float
    extra_bytes: int


def measure(
    shapes: Iterable[Shape] = SHAPES,
    algorithms: Iterable[str] = ("im2col", "auto"),
    *,
    passes: Iterable[Pass] = PASSES,
    rounds: int = 15,
    channels_last: bool = False,
    device: str = "cpu",
) -> Iterator[Row]:
    """Yields a row per shape, pass and algorithm that can compute it, "torch" first.

    In each round every algorithm has one turn, so that a disturbance hits all alike. The number of threads is
    torch's own setting.

    Raises:
        ConvolutionError: no such algorithm.
    """
    names, wanted = tuple(algorithms), tuple(passes)
    for shape in shapes:
        able = [
            name
            for name in names
            if refusal(name, kernel_size=shape.kernel_size, stride=shape.stride) is None
        ]
        for pass_name in wanted:
            calls = {
                name: _call(shape, name, pass_name, channels_last, device) for name in [REFERENCE, *able]
            }
            seconds = _rounds(calls, rounds)
            for name, call in calls.items():
                ratio = seconds[name] / seconds[REFERENCE]
                yield Row(shape, name, pass_name, seconds[name], ratio, _peak_bytes(call))


def _call(
    shape: Shape, algorithm: str, pass_name: Pass, channels_last: bool, device: str
) -> Callable[[], object]:
    """Returns what one turn does; data and the output's gradient are made before."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    generator = torch.Generator().manual_seed(0)

    def random(*size: int) -> Tensor:
        made = torch.randn(size, generator=generator).to(device)
        return made.contiguous(memory_format=layout) if len(size) == 4 else made  # noqa: PLR2004  # N C H W

    images, weight, bias = random(*shape.images), random(*shape.weight), random(shape.kernels)

    def forward() -> Tensor:
        if algorithm == REFERENCE:
            return F.conv2d(images, weight, bias, shape.stride, shape.padding)
        return convolve(images, weight, bias, stride=shape.stride, padding=shape.padding, algorithm=algorithm)

    def inference() -> Tensor:
        with torch.inference_mode():
            return forward()

    def training_step() -> tuple[Tensor, ...]:
        return torch.autograd.grad(forward(), inputs, gradient)

    if pass_name == "inference":
        return inference
    inputs = [weight, bias, images] if pass_name == "training step" else [weight, bias]
    gradient = torch.randn_like(F.conv2d(images, weight, bias, shape.stride, shape.padding))
    for one in inputs:
        one.requires_grad_()
    return training_step


def _rounds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Returns the median seconds of each call over rounds in which each has one turn."""
    first = {name: _seconds(call) for name, call in calls.items()}
    quick = {name: call for name, call in calls.items() if first[name] < _SLOW_SECONDS}
    taken: dict[str, list[float]] = {name: [] for name in quick}
    for _ in range(rounds):
        for name, call in quick.items():
            taken[name].append(_seconds(call))
    return {**first, **{name: median(values) for name, values in taken.items() if values}}


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def _peak_bytes(call: Callable[[], object]) -> int:
    forget_workspace()
    watch = _Watch()
    with watch:
        call()
    return watch.peak_bytes


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch ships it untyped
    """Notes every storage that an operation makes, and the most bytes of them alive at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes: int = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self._noted = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,  # torch hands it over by position
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        given = {
            one.untyped_storage().data_ptr() for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)
        }
        made = func(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, Tensor) and one.untyped_storage().data_ptr() not in given:
                self._note(one.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        before = self._alive.pop(storage.data_ptr(), None)
        self._noted += storage.nbytes() - (0 if before is None else before[1])
        self._alive[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()  # type: ignore[no-untyped-call]
        if self._noted > 1.01 * self.peak_bytes + 1024:  # looking at all of them each time would take minutes
            expired = [key for key, one in self._alive.items() if one[0].expired()]  # type: ignore[no-untyped-call]
            for key in expired:
                del self._alive[key]
            self._noted = sum(size for _, size in self._alive.values())
            self.peak_bytes = max(self.peak_bytes, self._noted)
