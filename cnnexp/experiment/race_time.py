"""How long a training with the loops will take, before anybody waits for it."""

from __future__ import annotations

from cnnexp.convolution.estimate import loop_seconds
from cnnexp.experiment.assemble import Assembly, batches
from cnnexp.experiment.convolutions import calls_of

LONG_SECONDS = 600.0  # longer must be meant


def loop_training_seconds(assembly: Assembly) -> float:
    """Returns about how long the run will take if its convolutions are computed by `loop`."""
    epochs, parts = assembly.settings.training.epochs, {}
    for name in ("train", "val", "test"):
        part = batches(assembly, name)
        shape = (-(-part.num_images // len(part)), *assembly.dataset.spec.shape)
        forward, step = _pass_seconds(assembly, shape)
        parts[name] = (step if name == "train" else forward) * len(part)
    return epochs * (parts["train"] + parts["val"]) + parts["test"]


def _pass_seconds(assembly: Assembly, shape: tuple[int, ...]) -> tuple[float, float]:
    """Returns the seconds of a forward pass and of a training step."""
    forward = step = 0.0
    for call in calls_of(assembly.torch_network, shape):
        layer = call.layer
        seconds = loop_seconds(
            call.images,
            tuple(layer.weight.shape),
            stride=_pair(layer.stride),
            padding=layer.padding if isinstance(layer.padding, str) else _pair(layer.padding),
            dilation=_pair(layer.dilation),
            groups=layer.groups,
        )
        forward, step = forward + seconds[0], step + seconds[1]
    return forward, step


def _pair(sides: tuple[int, ...]) -> tuple[int, int]:
    return sides[0], sides[1]


def spoken(seconds: float) -> str:
    """Returns a length of time as one says it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:  # noqa: PLR2004 - where people change to minutes
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004
