"""What `cnnexp show` tells of a network: its tables, its measures, and how several compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cnnexp.cli.output import save_figure
from cnnexp.experiment.measure import Speed, measure_speed
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, build_model, check_batch_size, layer_table, outline_model
from cnnexp.models.layer_table import HEADER, MB, NUMBERS, LayerTable
from cnnexp.models.peak import training_step_bytes
from cnnexp.settings import ComputeSettings
from cnnexp.training.compute import find_compute

LAYER_HEADER, LAYER_NUMBERS = HEADER, NUMBERS


@dataclass(frozen=True, slots=True)
class Measuring:
    """On what speed is measured: a device as `--device` takes it, and CPU threads (0: as PyTorch chooses)."""

    device: str
    threads: int


@dataclass(frozen=True, slots=True)
class Portrait:
    """A network, looked at."""

    name: str
    spec: ImageSpec
    model: nn.Module
    batch_size: int
    step_bytes: int
    speed: Speed | None
    place: str

    def table(self, depth: int | None = None) -> LayerTable:
        """Returns its layers, folded to a depth."""
        return layer_table(self.model, self.spec, depth=depth)

    def as_dict(self, depth: int | None) -> dict[str, Any]:
        """Returns it as `--json` prints it; sizes are in bytes, times in seconds per image."""
        table = self.table(depth)
        return {
            "name": self.name,
            "input": self.spec.shape,
            "num_classes": self.spec.num_classes,
            "parameters": table.parameters,
            "trainable_parameters": table.trainable_parameters,
            "macs": table.macs,
            "input_bytes": table.input_bytes,
            "activation_bytes": table.activation_bytes,
            "parameter_bytes": table.parameter_bytes,
            "batch_size": self.batch_size,
            "training_step_bytes": self.step_bytes,
            "speed": None if self.speed is None else {**asdict(self.speed), "place": self.place},
            "layers": [asdict(row) for row in table.rows],
        }

    def cells(self) -> tuple[str, ...]:
        """Returns its row under `comparison_header`."""
        table = self.table()
        counts = (f"{table.parameters:,}", f"{table.macs:,}")
        sizes = (f"{size / MB:,.1f}" for size in (table.activation_bytes, self.step_bytes))
        if self.speed is None:
            return (self.name, *counts, *sizes)
        times = (self.speed.inference_seconds, self.speed.training_seconds)
        return (self.name, *counts, *sizes, *(f"{1000 * seconds:,.3g}" for seconds in times))

    def measures(self) -> dict[str, float]:
        """Returns what networks are compared by, in the words of the sentence that does."""
        table = self.table()
        found: dict[str, float] = {
            "parameters": table.parameters,
            "MACs": table.macs,
            "activations": table.activation_bytes,
            "peak memory of a training step": self.step_bytes,
        }
        if self.speed is not None:
            found["time to infer an image"] = self.speed.inference_seconds
            found["time to train on one"] = self.speed.training_seconds
        return found

    def sentences(self) -> list[str]:
        """Returns what is said below its table."""
        memory = (
            f"a training step of {self.batch_size} images fills {self.step_bytes / MB:,.1f} MB at its peak"
        )
        if self.speed is None:
            return [memory, *self.conditions()]
        times = (1000 * self.speed.inference_seconds, 1000 * self.speed.training_seconds)
        return [
            memory,
            "to infer {:,.3g} ms per image, to train {:,.3g} ms".format(*times),
            *self.conditions(),
        ]

    def conditions(self) -> list[str]:
        """Returns how the figures came about."""
        lines = [
            f"Peak memory: weights, gradients and all tensors alive at once in a training step of "
            f"{self.batch_size} images, counted operation by operation; scratch memory inside kernels and an "
            "optimizer's state are not in it."
        ]
        if self.speed is not None:
            lines.append(
                f"Times: medians of {self.speed.inference_calls} or more calls with {self.batch_size} images "
                f"on {self.place}, float32; a training step has forward and backward pass and a step of SGD."
            )
        return lines


def portray(
    name: str,
    spec: ImageSpec,
    arguments: Mapping[str, object],
    *,
    batch_size: int,
    speed: Measuring | None,
) -> Portrait:
    """Looks at a model, and measures it where that is asked for.

    Raises:
        UserError: it cannot be built for these images, or measured as asked.
    """
    name = MODELS.get(name).name  # an alias may have been given
    model = outline_model(name, spec, arguments)
    check_batch_size(model, spec, batch_size)
    step_bytes = training_step_bytes(model, spec, batch_size)
    if speed is None:
        return Portrait(name, spec, model, batch_size, step_bytes, None, "")
    compute = find_compute(ComputeSettings(device=speed.device, threads=speed.threads))
    found = measure_speed(build_model(name, spec, arguments), spec, batch_size=batch_size, compute=compute)
    place = f"{compute.device} with {torch.get_num_threads()} thread(s)"
    return Portrait(name, spec, model, batch_size, step_bytes, found, place)


def comparison_header(found: Sequence[Portrait]) -> tuple[str, ...]:
    """Returns the columns of a comparison."""
    step = f"training step of {found[0].batch_size}, MB"
    columns = ("model", "parameters", "MACs", "activations, MB", step)
    is_measured = all(one.speed is not None for one in found)
    return (*columns, "infer, ms/image", "train, ms/image") if is_measured else columns


def ratios(found: Sequence[Portrait]) -> list[str]:
    """Returns a sentence for every network but the first: how often it has what the first one has."""
    first = found[0].measures()
    return [
        f"{one.name} has, against {found[0].name}, "
        + ", ".join(f"{value / first[what]:,.2f} × the {what}" for what, value in one.measures().items())
        + "."
        for one in found[1:]
    ]


def draw(portrait: Portrait, path: str, depth: int | None) -> None:
    """Draws the network to a file.

    Raises:
        UserError: it cannot be written.
    """
    from cnnexp.figures import network_graph
    from cnnexp.models.graph import graph_of

    table = portrait.table()
    title = f"{portrait.name} on {portrait.spec}: {table.parameters:,} parameters, {table.macs:,} MACs"
    graph = graph_of(portrait.model, portrait.spec, depth=depth)
    figure = network_graph([astuple(box) for box in graph.boxes], graph.arrows, title=title)
    save_figure(figure, Path(path), option="--graph")
