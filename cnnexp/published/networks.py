"""Networks that are counted and measured, not trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cnnexp.experiment.measure import measure_speed
from cnnexp.image_spec import ImageSpec
from cnnexp.models import build_model, layer_table, outline_model
from cnnexp.models.layer_table import MB, LayerTable
from cnnexp.models.peak import training_step_bytes
from cnnexp.published.schema import Network
from cnnexp.settings import ComputeSettings
from cnnexp.training.compute import find_compute


@dataclass(frozen=True, slots=True)
class Comparison:
    """A count beside ours.

    Attributes:
        what: was counted.
        known: published, or counted independently.
        ours: of the network as it is built here.
        is_equal: to what it is rounded to.
        is_published: else it was counted independently.
    """

    what: str
    known: float
    ours: float
    is_equal: bool
    is_published: bool = True


@dataclass(frozen=True, slots=True)
class Counted:
    """A network of the file and its layer table."""

    network: Network
    table: LayerTable

    @property
    def spec(self) -> ImageSpec:
        """Its images and classes."""
        return ImageSpec(*self.network.image, self.network.classes)

    @property
    def agrees(self) -> bool:
        """True where every count, published or independent, is ours."""
        return all(one.is_equal for one in self.comparisons())

    @property
    def is_as_published(self) -> bool | None:
        """True where every published count is ours; None where none was published."""
        published = [one.is_equal for one in self.comparisons() if one.is_published]
        return all(published) if published else None

    def comparisons(self) -> Iterator[Comparison]:
        """Yields every known count beside ours: the published ones, then those counted independently."""
        published, counted, table = self.network.published, self.network.counted, self.table
        unit = published.rounded_to
        known = (("parameters", published.parameters, table.parameters), ("MACs", published.macs, table.macs))
        for what, count, found in known:
            if count is not None:
                rounded = f", in units of {unit:,}" if unit > 1 else ""
                yield Comparison(f"{what}{rounded}", count, found, round(found / unit) * unit == count)
        yield from self._printed()
        unpublished = (
            ("parameters", counted.parameters, table.parameters),
            ("MACs", counted.macs, table.macs),
        )
        for what, count, found in unpublished:
            if count is not None:
                yield Comparison(what, count, found, found == count, is_published=False)

    def _printed(self) -> Iterator[Comparison]:
        """Yields what a printed layer table says: each layer's parameters, and megabytes."""
        printed, table = self.network.published, self.table
        weighted = [row for row in table.rows if row.parameters]
        for number, published in enumerate(printed.layer_parameters):
            row = weighted[number] if number < len(weighted) else None
            ours, name = (row.parameters, row.name) if row else (0, f"layer {number + 1}")
            yield Comparison(f"parameters of {name}", published, ours, ours == published)
        if printed.megabytes:
            sizes = [table.input_bytes, table.activation_bytes, table.parameter_bytes]
            words = ("input", "forward/backward pass", "weights", "total")
            for word, megabytes, size in zip(words, printed.megabytes, [*sizes, sum(sizes)], strict=False):
                rounded = round(size / MB, 2)
                yield Comparison(f"MB of {word}", megabytes, rounded, rounded == megabytes)


def count(network: Network) -> Counted:
    """Counts a network without values.

    Raises:
        UserError: there is no such model, or it cannot be built so.
    """
    spec = ImageSpec(*network.image, network.classes)
    return Counted(network, layer_table(outline_model(network.model, spec, network.model_args), spec))


def measures(counted: Counted, *, batch_size: int, compute: ComputeSettings) -> Mapping[str, float]:
    """Returns what a network needs, by name: counts, bytes, and seconds measured here on random images."""
    network, table, spec = counted.network, counted.table, counted.spec
    model = build_model(network.model, spec, network.model_args)
    peak = training_step_bytes(model, spec, batch_size)
    speed = measure_speed(model, spec, batch_size=batch_size, compute=find_compute(compute))
    return {
        "parameters": table.parameters,
        "MACs": table.macs,
        "activations": table.activation_bytes,
        f"peak memory of a training step of {batch_size} images": peak,
        "time to infer an image": speed.inference_seconds,
        "time to train on one": speed.training_seconds,
    }
