"""The layer table: what each layer of a network is, gives out, has seen, holds and costs; without data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnnexp.image_spec import ImageSpec
from cnnexp.models.flow import Flow, Step
from cnnexp.models.twin import watch_twin

FLOPS_PER_MAC = 2  # torch counts the multiplication and the addition
VALUE_BYTES = 4  # float32
MB = 2**20  # as the published tables have it
HEADER = (
    "layer", "kind", "kernel", "stride", "padding", "output shape", "sees", "parameters", "MACs", "memory",
)  # fmt: skip
NUMBERS = ("parameters", "MACs", "memory")  # right-aligned columns
Sides = tuple[int, ...] | str | None


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer, or several that are told in one line.

    Attributes:
        name: of the layer, or of the block.
        kind: class of the layer; of several "Conv2d ×2, ReLU ×2".
        kernel_size: of a window, (height, width); None where there is none, or more than one.
        stride: likewise.
        padding: likewise; `same` as PyTorch has it.
        output_shape: without the batch axis.
        receptive_field: height and width, in pixels of the image, of what a value of the output can depend on
            (where branches meet, on the one that sees most); None where it is not known.
        parameters: of its own.
        macs: multiplications with an addition, per image.
        activation_bytes: of the outputs of its calls, per image in float32.
    """

    name: str
    kind: str
    kernel_size: Sides
    stride: Sides
    padding: Sides
    output_shape: tuple[int, ...]
    receptive_field: tuple[int, int] | None
    parameters: int
    macs: int
    activation_bytes: int

    def cells(self) -> tuple[str, ...]:
        """Returns the row under `HEADER`."""
        window = (_sides(self.kernel_size), _step(self.stride), _step(self.padding))
        sees = _sides(self.receptive_field)
        counts = (f"{count:,}" for count in (self.parameters, self.macs))
        return (
            self.name, self.kind, *window, shape_text(self.output_shape), sees, *counts,
            f"{self.activation_bytes / 1024:,.1f} KB",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LayerTable:
    """Every layer of a network in the order it is first called, and the totals for one image in float32.

    The memory figures are those of the published tables (torchsummary's): of the forward and backward pass
    the outputs of all layers and a gradient for each. `training_step_bytes` counts what is really alive.

    Attributes:
        rows: a row per layer; of a folded table per block.
        weighted: how many layers of each kind have parameters.
        parameters: of the whole network.
        trainable_parameters: those that training changes.
        macs: per image.
        input_bytes: of the image.
    """

    rows: tuple[LayerRow, ...]
    weighted: tuple[tuple[str, int], ...]
    parameters: int
    trainable_parameters: int
    macs: int
    input_bytes: int

    @property
    def activation_bytes(self) -> int:
        """Outputs of all layers, and their gradients."""
        return 2 * sum(row.activation_bytes for row in self.rows)

    @property
    def parameter_bytes(self) -> int:
        """All parameters."""
        return VALUE_BYTES * self.parameters

    def cells(self) -> list[tuple[str, ...]]:
        """Returns the rows under `HEADER`, the total last."""
        memory = f"{self.activation_bytes / 2 / 1024:,.1f} KB"
        total = ("total", *[""] * 6, f"{self.parameters:,}", f"{self.macs:,}", memory)
        return [*(row.cells() for row in self.rows), total]

    def totals(self) -> list[str]:
        """Returns the lines below the table."""
        memory = (
            ("input", self.input_bytes),
            ("forward/backward pass", self.activation_bytes),
            ("parameters", self.parameter_bytes),
            ("estimated total", self.input_bytes + self.activation_bytes + self.parameter_bytes),
        )
        frozen = self.parameters - self.trainable_parameters
        trainable = f", {frozen:,} of them frozen" if frozen else ""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.weighted)
        num_weighted = sum(count for _, count in self.weighted)
        return [
            f"{len(self.rows)} lines; {num_weighted} layers have weights: {kinds}",
            f"{self.parameters:,} parameters{trainable}; {self.macs:,} MACs per image",
            "MB per image: " + ", ".join(f"{name} {size / MB:.2f}" for name, size in memory),
        ]

    def __str__(self) -> str:
        cells = [HEADER, *self.cells()]
        widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
        lines = [
            "  ".join(
                text.rjust(width) if name in NUMBERS else text.ljust(width)
                for name, text, width in zip(HEADER, row, widths, strict=True)
            )
            for row in cells
        ]
        return "\n".join(line.rstrip() for line in [*lines, "", *self.totals()]) + "\n"


def count_parameters(model: nn.Module) -> int:
    """Returns how many numbers the model learns."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def layer_table(model: nn.Module, spec: ImageSpec, *, depth: int | None = None) -> LayerTable:
    """Runs one image through a copy of the model and notes what each layer does.

    Args:
        model: neither run nor changed.
        spec: shape of the images.
        depth: folds to a line per module so many names deep; what has no weights joins the line before.
    """
    rows, blocks, macs = watch_twin(model, (1, *spec.shape), _rows)
    weighted = Counter(row.kind for row in rows if row.parameters)
    channels, height, width = spec.shape
    return LayerTable(
        rows=rows if depth is None else _folded(rows, depth, blocks),
        weighted=tuple(weighted.items()),
        parameters=sum(p.numel() for p in model.parameters()),
        trainable_parameters=count_parameters(model),
        macs=macs,
        input_bytes=VALUE_BYTES * channels * height * width,
    )


def _rows(twin: nn.Module, images: Tensor) -> tuple[tuple[LayerRow, ...], dict[str, Step], int]:
    """Returns a row per layer in the order of their first call, the blocks, and all MACs."""
    with FlopCounterMode(display=False) as counter, Flow(twin, images) as flow:
        twin(images)
    calls: dict[str, list[Step]] = {}
    for step in flow.steps:
        if step.layer is not None:
            calls.setdefault(step.name, []).append(step)
    flops, root = counter.get_flop_counts(), type(twin).__name__
    rows = tuple(
        _row(steps, sum(flops.get(f"{root}.{name}", {}).values()) // FLOPS_PER_MAC)
        for name, steps in calls.items()
    )
    return rows, flow.blocks, counter.get_total_flops() // FLOPS_PER_MAC


def _row(calls: Sequence[Step], macs: int) -> LayerRow:
    last = calls[-1]
    assert last.layer is not None
    kernel_size = sides_of(last.layer, "kernel_size")
    is_window = kernel_size is not None
    return LayerRow(
        name=last.name,
        kind=last.kind,
        kernel_size=kernel_size,
        stride=sides_of(last.layer, "stride") if is_window else None,
        padding=sides_of(last.layer, "padding") if is_window else None,
        output_shape=last.output_shape,
        receptive_field=last.field,
        parameters=sum(p.numel() for p in last.layer.parameters(recurse=False)),
        macs=macs,
        activation_bytes=sum(VALUE_BYTES * _size(call.output_shape) for call in calls),
    )


def _folded(rows: Sequence[LayerRow], depth: int, blocks: Mapping[str, Step]) -> tuple[LayerRow, ...]:
    groups: dict[str, list[LayerRow]] = {}
    for row in rows:
        groups.setdefault(".".join(row.name.split(".")[:depth]), []).append(row)
    found: list[LayerRow] = []
    heads: list[LayerRow] = []  # flattening belongs to what comes next: the line before shows its maps
    for name, group in groups.items():
        line = _joined(name, group, blocks.get(name))
        if line.kind == "Flatten":
            heads.append(line)
        elif found and not heads and not line.parameters:
            found[-1] = _joined(found[-1].name, [found[-1], line])
        else:
            found.append(_joined(name, [*heads, line]))
            heads = []
    return (*found, *heads)


def _joined(name: str, rows: Sequence[LayerRow], block: Step | None = None) -> LayerRow:
    """Returns several rows as one; a block gives out what its branches come to."""
    windows = [row for row in rows if row.kernel_size is not None and row.parameters]
    window = windows[0] if len(windows) == 1 else None
    return LayerRow(
        name=name,
        kind=_kinds(row.kind for row in rows),
        kernel_size=None if window is None else window.kernel_size,
        stride=None if window is None else window.stride,
        padding=None if window is None else window.padding,
        output_shape=rows[-1].output_shape if block is None else block.output_shape,
        receptive_field=rows[-1].receptive_field if block is None else block.field,
        parameters=sum(row.parameters for row in rows),
        macs=sum(row.macs for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
    )


def _kinds(kinds: Iterable[str]) -> str:
    """Returns "Conv2d ×2, ReLU" of "Conv2d", "Conv2d", "ReLU"; an entry may be such a list itself."""
    counts: Counter[str] = Counter()
    for one in ", ".join(kinds).split(", "):
        kind, _, count = one.partition(" ×")
        counts[kind] += int(count or 1)
    return ", ".join(f"{kind} ×{count}" if count > 1 else kind for kind, count in counts.items())


def sides_of(layer: nn.Module, attribute: str) -> Sides:
    """Returns the (height, width) of a window's size, stride or padding; None where the layer has none."""
    value = getattr(layer, attribute, None)
    if isinstance(value, int):
        return (value, value)
    if isinstance(value, str):
        return value
    is_pair = isinstance(value, tuple) and all(isinstance(side, int) for side in value)
    return value if is_pair else None


def shape_text(shape: Iterable[int]) -> str:
    """Returns a shape as the published tables write it: [6, 24, 24]."""
    return "[" + ", ".join(str(side) for side in shape) + "]"


def _sides(sides: Sides) -> str:
    return sides if isinstance(sides, str) else "×".join(str(side) for side in sides or ())


def _step(sides: Sides) -> str:
    """Strides and paddings are mostly the same both ways: told once."""
    is_even = isinstance(sides, tuple) and len(set(sides)) == 1
    return str(sides[0]) if is_even and isinstance(sides, tuple) else _sides(sides)


def _size(shape: Iterable[int]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
