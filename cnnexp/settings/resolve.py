"""Layers of given values -> settings; every fault is collected and raised once.

Layers in rising order: defaults, environment (`CNNEXP_LR`), file, command line or Python keywords.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cnnexp.errors import Fault, SettingsError, did_you_mean
from cnnexp.settings.groups import Group, Settings

Schema = TypeVar("Schema", bound=Settings)
ENVIRONMENT_PREFIX = "CNNEXP_"
NOT_SETTINGS = {"CNNEXP_CACHE_DIR", "CNNEXP_CACHE_MAX_GB"}  # of the machine, not of a run


@dataclass(frozen=True, slots=True)
class Given:
    """A value and where it came from (`--lr`, `experiment.yaml line 3`)."""

    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """Where a setting is declared."""

    name: str
    group: str
    field: FieldInfo
    default: Any

    @property
    def choices(self) -> tuple[str, ...]:
        """The legal words of a setting that is one of several, else ()."""
        return choices_of(self.field.annotation)


def declarations(schema: type[Settings] = Settings) -> dict[str, Declaration]:
    """Returns every setting's declaration by flat name, in the order of declaration."""
    found: dict[str, Declaration] = {}
    for group_name, group_field in schema.model_fields.items():
        group = group_field.annotation
        assert isinstance(group, type)
        assert issubclass(group, Group)
        for name, field in group.model_fields.items():
            assert name not in found, f"setting {name} is declared twice"
            default = schema.own_defaults.get(name, field.default)
            found[name] = Declaration(name, group_name, field, default)
    return found


def choices_of(annotation: object) -> tuple[str, ...]:
    """Returns the words of a `Literal`, also inside a union, else ()."""
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    return tuple(word for part in get_args(annotation) for word in choices_of(part))


def from_environment(environment: Mapping[str, str] | None = None) -> dict[str, Given]:
    """Returns the settings that `CNNEXP_<NAME>` variables give; an empty variable gives none."""
    environment = os.environ if environment is None else environment
    return {
        variable.removeprefix(ENVIRONMENT_PREFIX).lower(): Given(value, variable)
        for variable, value in environment.items()
        if variable.startswith(ENVIRONMENT_PREFIX) and value and variable not in NOT_SETTINGS
    }


def resolve(*layers: Mapping[str, Given]) -> Settings:
    """Merges layers, the last one winning, and validates the whole.

    Raises:
        SettingsError: names or values are wrong; all of them are listed.
    """
    return resolve_as(Settings, *layers)


def resolve_as(schema: type[Schema], *layers: Mapping[str, Given]) -> Schema:
    """Like `resolve`, for the settings of another command.

    Raises:
        SettingsError: names or values are wrong; all of them are listed.
    """
    known = declarations(schema)
    merged = {name: Given(value, "default") for name, value in schema.own_defaults.items()}
    for layer in layers:
        for name, given in layer.items():
            merged[name.replace("-", "_")] = given
    faults = [
        Fault(
            name,
            None,
            f"is not a setting{did_you_mean(name, known)} `cnnexp {schema.command} --help` lists all.",
            given.origin,
        )
        for name, given in merged.items()
        if name not in known
    ]
    groups: dict[str, Group] = {}
    for group_name, group_field in schema.model_fields.items():
        group = group_field.annotation
        assert isinstance(group, type)
        assert issubclass(group, Group)
        values = {name: merged[name].value for name in group.model_fields if name in merged}
        try:
            groups[group_name] = group(**values)
        except ValidationError as error:
            faults += _faults(error, merged, known)
    if faults:
        raise SettingsError(faults)
    settings = schema(**groups)
    _check_together(settings, merged)
    return settings


def _faults(
    error: ValidationError, merged: Mapping[str, Given], known: Mapping[str, Declaration]
) -> list[Fault]:
    by_setting: dict[str, Fault] = {}  # a union reports one error per member; the first tells enough
    for detail in error.errors():
        name = str(detail["loc"][0])
        given = merged[name]
        rule = describe(detail, known[name].choices)
        by_setting.setdefault(name, Fault(name, given.value, rule, given.origin))
    return list(by_setting.values())


def describe(detail: ErrorDetails, choices: tuple[str, ...] = ()) -> str:
    """Turns one of pydantic's error records into the end of "<setting> must ..."."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        words = choices or tuple(str(context.get("expected", "")).replace("'", "").split(", "))
        return f"must be one of {', '.join(words)}{did_you_mean(str(detail['input']), words)}"
    bounds = {
        "greater_than": ("more than", "gt"),
        "greater_than_equal": ("at least", "ge"),
        "less_than": ("less than", "lt"),
        "less_than_equal": ("at most", "le"),
    }
    if kind in bounds:
        word, key = bounds[kind]
        return f"must be {word} {context[key]:g}."
    sentences = {
        "finite_number": "must be a finite number.",
        "int_parsing": "must be a whole number.",
        "int_from_float": "must be a whole number.",
        "int_type": "must be a whole number.",
        "float_parsing": "must be a number.",
        "float_type": "must be a number.",
        "bool_parsing": "must be true or false.",
        "bool_type": "must be true or false.",
        "string_type": "must be text.",
        "tuple_type": "must be a list such as [32, 64].",
        "list_type": "must be a list such as [32, 64].",
        "dict_type": "must be pairs of name and value, such as kernel_size=5.",
        "value_error": str(context.get("error", "")) + ".",
    }
    return sentences.get(kind, f"{detail['msg'][:1].lower()}{detail['msg'][1:]}.")


def _check_together(settings: Settings, merged: Mapping[str, Given]) -> None:
    """Checks what concerns two settings at once.

    Raises:
        SettingsError: two settings contradict each other.
    """
    optimization, epochs = settings.optimization, settings.training.epochs
    faults = []

    def fault(name: str, rule: str) -> None:
        given = merged.get(name, Given(None, "default"))
        faults.append(Fault(name, given.value, rule, given.origin))

    if optimization.nesterov and optimization.optimizer == "sgd" and optimization.momentum == 0:
        fault("nesterov", "needs momentum above 0; give --momentum 0.9, say.")
    if optimization.warmup_epochs >= epochs:
        fault("warmup_epochs", f"must be fewer than the {epochs} epochs of the run.")
    if settings.network.pretrained and settings.network.init != "default":
        fault("init", "has no effect on pretrained weights; leave it or --pretrained out.")
    if faults:
        raise SettingsError(faults)
