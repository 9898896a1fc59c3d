"""Registered models, and building one: arguments and shapes are checked before anything is trained."""

from __future__ import annotations

import importlib
import inspect
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

import torch
from pydantic import ConfigDict, ValidationError, create_model
from torch import nn

from cnnexp.errors import Fault, ModelError, SettingsError, UserError, did_you_mean
from cnnexp.image_spec import ImageSpec
from cnnexp.models.stack import ImageTooSmallError
from cnnexp.models.windows import refusing_small_images
from cnnexp.registry import Registry
from cnnexp.settings.resolve import choices_of, describe

Builder = TypeVar("Builder", bound=Callable[..., nn.Module])
BUILTIN = ("alexnet", "cnn", "convnet", "lenet", "mlp", "torchvision_models", "vgg")


@dataclass(frozen=True, slots=True)
class ModelArgument:
    """A typed keyword argument of a builder; `annotation` may carry a search range and a pydantic `Field`."""

    name: str
    annotation: Any
    default: Any


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A registered model: its builder takes an `ImageSpec`, then keyword arguments."""

    name: str
    builder: Callable[..., nn.Module]
    summary: str

    def arguments(self) -> tuple[ModelArgument, ...]:
        """The builder's keyword arguments, in order."""
        target = self.builder.__init__ if inspect.isclass(self.builder) else self.builder
        hints = get_type_hints(target, include_extras=True)
        parameters = list(inspect.signature(self.builder).parameters.values())[1:]
        keywords = [p for p in parameters if p.kind in {p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD}]
        return tuple(
            ModelArgument(p.name, hints.get(p.name, Any), ... if p.default is p.empty else p.default)
            for p in keywords
        )


def _load_builtin() -> None:
    for module in BUILTIN:
        importlib.import_module(f"cnnexp.models.{module}")


MODELS: Registry[ModelEntry] = Registry(
    "model",
    entry_point_group="cnnexp.models",
    load_builtin=_load_builtin,
    way_out="A model of your own: --plugin FILE.",
)


def register_model(name: str, *, aliases: Sequence[str] = ()) -> Callable[[Builder], Builder]:
    """Registers a builder `(spec: ImageSpec, *, argument: type = default, ...) -> nn.Module` under a name.

    The builder's typed keyword arguments become settable (`--set kernel_size=5`) without another declaration.
    The first line of its docstring is what `cnnexp models` shows. `aliases` are further names that it is
    found by; what is logged is `name`.

    Raises:
        UserError: the name is taken.
    """

    def register(builder: Builder) -> Builder:
        summary = (inspect.getdoc(builder) or "").split("\n", 1)[0]
        MODELS.add(name, ModelEntry(name, builder, summary), aliases=aliases)
        return builder

    return register


def check_arguments(entry: ModelEntry, given: Mapping[str, object]) -> dict[str, Any]:
    """Returns every argument of the model, given or default, in the types its builder declares.

    Raises:
        SettingsError: unknown names or unfit values; all of them are listed.
    """
    arguments = {argument.name: argument for argument in entry.arguments()}
    fields: dict[str, Any] = {name: (one.annotation, one.default) for name, one in arguments.items()}
    config = ConfigDict(
        extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True, protected_namespaces=()
    )
    schema = create_model(f"{entry.name} arguments", __config__=config, **fields)
    try:
        checked = schema(**given)
    except ValidationError as error:
        faults: dict[str, Fault] = {}
        for detail in error.errors():
            name = str(detail["loc"][0])
            origin = f"argument of model {entry.name}"
            if name not in arguments:
                known = ", ".join(arguments) or "none"
                rule = f"is not an argument{did_you_mean(name, arguments)} {entry.name} has: {known}."
            else:
                rule = describe(detail, choices_of(arguments[name].annotation))
            faults.setdefault(name, Fault(name, given.get(name), rule, origin))
        raise SettingsError(faults.values()) from error
    return {name: getattr(checked, name) for name in arguments}


def build_model(name: str, spec: ImageSpec, arguments: Mapping[str, object] | None = None) -> nn.Module:
    """Builds a registered model for images of a given shape, and tries it on a batch without data.

    Raises:
        UnknownNameError: no such model.
        SettingsError: an argument is unknown or unfit.
        ModelError: the model cannot take these images; the sentence names both sizes and the way out.
    """
    entry = MODELS.get(name)
    checked = check_arguments(entry, arguments or {})
    _tried_or_refused(entry, spec, checked)
    return entry.builder(spec, **checked)


def outline_model(name: str, spec: ImageSpec, arguments: Mapping[str, object] | None = None) -> nn.Module:
    """Builds a model to be counted, not used: without values and memory wherever it can be built so.

    Raises:
        UserError: as `build_model`.
    """
    entry = MODELS.get(name)
    return _tried_or_refused(entry, spec, check_arguments(entry, arguments or {}))


def can_take(name: str, spec: ImageSpec, arguments: Mapping[str, object]) -> bool:
    """Tells whether images are large enough for a model; some milliseconds on the meta device.

    Raises:
        UserError: the model cannot be built for another reason.
    """
    entry = MODELS.get(name)
    try:
        _try(entry, spec, check_arguments(entry, arguments))
    except ImageTooSmallError:
        return False
    return True


def _tried_or_refused(entry: ModelEntry, spec: ImageSpec, arguments: Mapping[str, Any]) -> nn.Module:
    try:
        return _try(entry, spec, arguments)
    except ImageTooSmallError as error:
        raise ModelError(
            f"{entry.name} cannot take {spec.height}×{spec.width} images: {error}; "
            f"{_way_out(entry, spec, arguments)}"
        ) from error


def _try(entry: ModelEntry, spec: ImageSpec, arguments: Mapping[str, Any]) -> nn.Module:
    """Builds and runs the model on the meta device; where it needs values (`.item()`, say), on the CPU."""
    try:
        model, shape = _run(entry, spec, arguments, "meta")
    except UserError:
        raise
    except Exception:  # a user's model fails without values in any way
        model, shape = _run_on_cpu(entry, spec, arguments)
    if shape != (2, spec.num_classes):
        raise ModelError(
            f"model {entry.name!r} returns shape {shape} for a batch of 2; "
            f"it must return logits of shape (2, {spec.num_classes})."
        )
    return model


def _run_on_cpu(
    entry: ModelEntry, spec: ImageSpec, arguments: Mapping[str, Any]
) -> tuple[nn.Module, tuple[int, ...]]:
    try:
        with torch.random.fork_rng(
            devices=[]
        ):  # the model that is trained draws as if there had been no trial
            return _run(entry, spec, arguments, "cpu")
    except UserError:
        raise
    except Exception as error:
        raise ModelError(
            f"model {entry.name!r} fails on {spec} images with {spec.num_classes} classes: "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}; "
            "derive every size from the ImageSpec, or choose another --image-size."
        ) from error


def _run(
    entry: ModelEntry, spec: ImageSpec, arguments: Mapping[str, Any], device: str
) -> tuple[nn.Module, tuple[int, ...]]:
    """Returns a model and the shape of its logits for two images: on the meta device some milliseconds."""
    with torch.device(device), torch.no_grad():
        model = entry.builder(spec, **arguments).eval()
        with refusing_small_images(model):
            return model, tuple(model(torch.zeros(2, *spec.shape)).shape)


def _way_out(entry: ModelEntry, spec: ImageSpec, arguments: Mapping[str, Any]) -> str:
    """Returns the smallest side that fits, found by doubling, then by halving what lies between."""

    def fits(side: int) -> bool:
        larger = ImageSpec(spec.channels, max(side, spec.height), max(side, spec.width), spec.num_classes)
        try:
            _try(entry, larger, arguments)
        except ImageTooSmallError:
            return False
        return True

    too_small = min(spec.height, spec.width)
    for side in (16, 32, 64, 128, 256, 512):
        if side > too_small and fits(side):
            between = range(too_small + 1, side + 1)
            return f"use --image-size {between[bisect_left(between, True, key=fits)]} or more."
        too_small = max(side, too_small)
    return "no image up to 512×512 is large enough: use fewer layers or smaller kernels."
