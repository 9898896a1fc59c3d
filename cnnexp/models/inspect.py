"""The layer table of a network: shapes, parameters and multiply-accumulates, without data."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnnexp.image_spec import ImageSpec

NUMBERS = {"parameters", "MACs"}  # right-aligned columns
FLOPS_PER_MAC = 2  # torch counts the multiplication and the addition


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer: its output shape without the batch axis, parameters of its own, MACs per image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class LayerTable:
    """Every layer of a network in the order it is called, and the totals."""

    rows: tuple[LayerRow, ...]
    parameters: int
    trainable_parameters: int
    macs: int

    def __str__(self) -> str:
        cells = [("layer", "kind", "output shape", "parameters", "MACs")]
        cells += [
            (r.name, r.kind, _shape(r.output_shape), f"{r.parameters:,}", f"{r.macs:,}") for r in self.rows
        ]
        cells += [("total", "", "", f"{self.parameters:,}", f"{self.macs:,}")]
        widths = [max(len(row[column]) for row in cells) for column in range(5)]
        lines = [
            "  ".join(
                text.rjust(width) if name in NUMBERS else text.ljust(width)
                for name, text, width in zip(cells[0], row, widths, strict=True)
            )
            for row in cells
        ]
        return "\n".join(line.rstrip() for line in lines) + "\n"


def count_parameters(model: nn.Module) -> int:
    """Returns how many numbers the model learns."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def layer_table(model: nn.Module, spec: ImageSpec) -> LayerTable:
    """Runs one image through a copy of the model on the meta device and notes what each layer does.

    The model itself is neither run nor changed.
    """
    twin = copy.deepcopy(model).to("meta").eval()
    shapes: dict[str, tuple[nn.Module, tuple[int, ...]]] = {}

    def note(name: str, layer: nn.Module) -> None:
        def hook(_layer: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                shapes[name] = (layer, tuple(output.shape[1:]))

        layer.register_forward_hook(hook)

    for name, layer in twin.named_modules():
        if name and not any(True for _ in layer.children()):
            note(name, layer)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        twin(torch.empty(1, *spec.shape, device="meta"))
    flops = counter.get_flop_counts()
    root = type(twin).__name__
    rows = tuple(
        LayerRow(
            name=name,
            kind=type(layer).__name__,
            output_shape=shape,
            parameters=sum(p.numel() for p in layer.parameters(recurse=False)),
            macs=sum(flops.get(f"{root}.{name}", {}).values()) // FLOPS_PER_MAC,
        )
        for name, (layer, shape) in shapes.items()
    )
    return LayerTable(
        rows=rows,
        parameters=sum(p.numel() for p in model.parameters()),
        trainable_parameters=count_parameters(model),
        macs=counter.get_total_flops() // FLOPS_PER_MAC,
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(str(side) for side in shape) + "]"
