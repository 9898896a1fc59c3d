"""What shapes tell of a network without data: the layer table, and a batch size it cannot train with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnnexp.errors import ModelError
from cnnexp.image_spec import ImageSpec
from cnnexp.models.twin import leaves, watch_twin

NUMBERS = {"parameters", "MACs"}  # right-aligned columns
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
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
    """Runs one image through a copy of the model and notes what each layer does."""
    rows, macs = watch_twin(model, (1, *spec.shape), _rows)
    return LayerTable(
        rows=rows,
        parameters=sum(p.numel() for p in model.parameters()),
        trainable_parameters=count_parameters(model),
        macs=macs,
    )


def check_batch_size(model: nn.Module, spec: ImageSpec, batch_size: int) -> None:
    """Refuses what batch norm cannot train on: one image whose maps have shrunk to one pixel.

    Raises:
        ModelError: with a batch of one image a layer gets one value per channel; it is named.
    """

    def watch(twin: nn.Module, images: Tensor) -> None:
        for name, layer in leaves(twin).items():
            if isinstance(layer, BATCH_NORMS):
                layer.register_forward_pre_hook(partial(_refuse_one_value, name))
        twin(images)

    if batch_size == 1:
        watch_twin(model, (1, *spec.shape), watch)


def _refuse_one_value(name: str, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if inputs[0].numel() == inputs[0].shape[1]:
        raise ModelError(
            f"batch size 1 leaves layer {name} ({type(layer).__name__}) one value per channel, and "
            "batch norm cannot train on that; use --batch-size 2 or more."
        )


def _rows(twin: nn.Module, images: Tensor) -> tuple[tuple[LayerRow, ...], int]:
    """Returns a row per layer in the order of their first call, and the MACs of all."""
    shapes: dict[str, tuple[nn.Module, tuple[int, ...]]] = {}

    def note(name: str, layer: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            shapes[name] = (layer, tuple(output.shape[1:]))

    for name, layer in leaves(twin).items():
        layer.register_forward_hook(partial(note, name))
    with FlopCounterMode(display=False) as counter:
        twin(images)
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
    return rows, counter.get_total_flops() // FLOPS_PER_MAC


def _shape(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(str(side) for side in shape) + "]"
