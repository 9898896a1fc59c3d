"""A network as boxes and arrows: a box per layer; norms and activations stand in the box they follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from cnnexp.image_spec import ImageSpec
from cnnexp.models.flow import Step, follow
from cnnexp.models.layer_table import sides_of
from cnnexp.models.twin import watch_twin

MOST_LEVELS = 40  # boxes one below the other: more fold, unless a depth is asked for


@dataclass(frozen=True, slots=True)
class GraphBox:
    """One box.

    Attributes:
        title: name of the layer or block; `+`, `×` or `concat` where branches meet.
        text: what it is and gives out.
        role: convolution, linear, pool, join, block, or other.
    """

    title: str
    text: str
    role: str


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes in the order they are called, and arrows between their positions, each from left to right."""

    boxes: tuple[GraphBox, ...]
    arrows: tuple[tuple[int, int], ...]

    @property
    def num_levels(self) -> int:
        """How many boxes the longest way has."""
        levels = [0] * len(self.boxes)
        for start, end in sorted(self.arrows, key=lambda arrow: arrow[1]):
            levels[end] = max(levels[end], levels[start] + 1)
        return max(levels) + 1


def graph_of(model: nn.Module, spec: ImageSpec, *, depth: int | None = None) -> Graph:
    """Returns a network as boxes and arrows; the first box is the image.

    Args:
        model: neither run nor changed.
        spec: shape of the images.
        depth: a box per module so many names deep; by default as deep as a page is high.
    """
    steps = watch_twin(model, (1, *spec.shape), follow)
    if depth is not None:
        return _drawn(steps, model, spec, depth)
    deepest = max((step.name.count(".") + 1 for step in steps), default=1)
    for limit in range(deepest, 1, -1):
        graph = _drawn(steps, model, spec, limit)
        if graph.num_levels <= MOST_LEVELS:
            return graph
    return _drawn(steps, model, spec, 1)


def _drawn(steps: Sequence[Step], model: nn.Module, spec: ImageSpec, depth: int) -> Graph:
    members = _grouped(steps, depth)
    box_of = {position: number for number, group in enumerate(members, start=1) for position in group}
    box_of[-1] = 0
    image = GraphBox("image", _shape(spec.shape), "other")
    boxes = [_box([steps[position] for position in group], model, depth) for group in members]
    arrows = {(box_of[source], box_of[p]) for p, step in enumerate(steps) for source in step.inputs}
    return Graph((image, *boxes), tuple(sorted(arrow for arrow in arrows if arrow[0] < arrow[1])))


def _grouped(steps: Sequence[Step], depth: int) -> list[list[int]]:
    """Returns the positions of the steps in each box."""
    readers = Counter(source for step in steps for source in step.inputs)
    groups: dict[object, list[int]] = {}
    key_of: dict[int, object] = {}
    for position, step in enumerate(steps):
        parts = step.name.split(".")
        is_deep = len(parts) > depth or (step.layer is None and len(parts) >= depth and bool(step.name))
        before = step.inputs[0] if len(step.inputs) == 1 else None
        key: object = ".".join(parts[:depth]) if is_deep else position
        if not is_deep and before in key_of and readers[before] == 1 and _is_minor(step):
            assert before is not None
            key = key_of[before]
        key_of[position] = key
        groups.setdefault(key, []).append(position)
    return list(groups.values())


def _is_minor(step: Step) -> bool:
    """Norms, activations, dropout, flattening: told in the box of what they follow."""
    if step.layer is None or "Pool" in step.kind or sides_of(step.layer, "kernel_size") is not None:
        return False
    return all(weight.dim() <= 1 for weight in step.layer.parameters())


def _box(steps: Sequence[Step], model: nn.Module, depth: int) -> GraphBox:
    first, shape = steps[0], _shape(steps[-1].output_shape)
    path = ".".join(first.name.split(".")[:depth])
    if path and first.name != path:
        kinds = _counted(step.kind for step in steps if step.layer is not None)
        return GraphBox(path, f"{type(model.get_submodule(path)).__name__}: {kinds} → {shape}", "block")
    if first.layer is None:
        return GraphBox(" ".join(step.kind for step in steps), f"→ {shape}", "join")
    text = " · ".join([_window(first), *(step.kind for step in steps[1:])])
    return GraphBox(first.name, f"{text} → {shape}", _role(first))


def _window(step: Step) -> str:
    assert step.layer is not None
    kernel_size, stride = sides_of(step.layer, "kernel_size"), sides_of(step.layer, "stride")
    if not isinstance(kernel_size, tuple):
        return step.kind
    is_strided = isinstance(stride, tuple) and max(stride) > 1 and "Pool" not in step.kind
    strided = f", stride {max(stride)}" if is_strided and isinstance(stride, tuple) else ""
    return f"{step.kind} {_shape(kernel_size)}{strided}"


def _role(step: Step) -> str:
    if "Pool" in step.kind:
        return "pool"
    if "Conv" in step.kind:
        return "convolution"
    return "linear" if isinstance(step.layer, nn.Linear) else "other"


def _counted(kinds: Iterable[str]) -> str:
    return ", ".join(_times(Counter(kinds)))


def _times(counts: Counter[str]) -> Iterator[str]:
    for kind, count in counts.items():
        yield f"{kind} ×{count}" if count > 1 else kind


def _shape(shape: Iterable[int]) -> str:
    return "×".join(str(side) for side in shape)
