"""Command-line options made from the settings' declarations.

Options hand over text; the settings themselves check it, so that every fault is reported together and in the
same words wherever it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click
import yaml
from click.core import ParameterSource

from cnnexp.errors import Fault, SettingsError
from cnnexp.settings import Given, Settings, declarations
from cnnexp.settings.resolve import Declaration

Command = TypeVar("Command", bound=Callable[..., Any])
# Settings given as repeated NAME=VALUE; the values of ranges stay text.
PAIRS = {"model_args": "--set", "tags": "--tag", "space": "--space", "vary": "--vary"}
TEXTS = ("tags", "space", "vary")
PAIR_FORMS = {"space": "NAME[=RANGE]", "vary": "NAME=A,B,..."}
GROUP_TITLES = {
    "search": "Search",
    "sweep": "Grid",
    "study": "Study",
    "network": "Model",
    "data": "Data",
    "optimization": "Optimization",
    "training": "Training",
    "compute": "Compute",
    "tracking": "Tracking",
    "plugins": "Own code",
}


class SettingsCommand(click.Command):
    """A command whose help shows the settings by group."""

    schema: type[Settings] = Settings

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the command's own options first, then a section per group."""
        known = declarations(self.schema)
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        sections |= {title: [] for title in GROUP_TITLES.values()}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and parameter.name is not None:
                declared = known.get(parameter.name)
                sections[GROUP_TITLES[declared.group] if declared else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def settings_options(schema: type[Settings] = Settings) -> Callable[[Command], Command]:
    """Adds an option for every setting of a schema."""

    def add(command: Command) -> Command:
        for declaration in reversed(declarations(schema).values()):
            command = _option(declaration)(command)
        return command

    return add


def given_settings(context: click.Context, schema: type[Settings] = Settings) -> dict[str, Given]:
    """Returns the settings that stand on the command line, each with the option it came from.

    Raises:
        SettingsError: a NAME=VALUE without its sign.
    """
    given: dict[str, Given] = {}
    for name in declarations(schema):
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        if name in PAIRS:
            given[name] = Given(pairs_of(value, name), PAIRS[name])
        else:
            given[name] = Given(value, option_name(name))
    return given


def option_name(name: str) -> str:
    """Returns the option of a setting: `--batch-size` for batch_size."""
    return PAIRS.get(name, "--" + name.replace("_", "-"))


def _option(declaration: Declaration) -> Callable[[Command], Command]:
    name, field = declaration.name, declaration.field
    default = declaration.default
    option: dict[str, Any] = {"default": None, "help": f"{field.description}{_shown(default)}"}
    if name in PAIRS:
        option |= {"multiple": True, "metavar": PAIR_FORMS.get(name, "NAME=VALUE")}
    elif isinstance(default, tuple):
        option |= {"multiple": True, "metavar": "|".join(declaration.choices) or "FILE|MODULE"}
    elif isinstance(default, bool):
        # `--compile`, `--compile false` (what `mlflow run -P compile=false` passes) and `--no-compile` work.
        metavar = "[FILE]" if name == "pretrained" else "[true|false]"
        option |= {"is_flag": False, "flag_value": "true", "metavar": metavar}
        return _with_negation(click.option(option_name(name), name, **option), name)
    else:
        option["metavar"] = "|".join(declaration.choices) or _metavar(declaration)
    return click.option(option_name(name), name, **option)


def _with_negation(add_option: Callable[[Command], Command], name: str) -> Callable[[Command], Command]:
    def store_false(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            context.params[name] = "false"
            context.set_parameter_source(name, ParameterSource.COMMANDLINE)

    negation = click.option(
        "--no-" + name.replace("_", "-"),
        f"no_{name}",
        is_flag=True,
        hidden=True,
        expose_value=False,
        callback=store_false,
    )
    return lambda command: negation(add_option(command))


def _shown(default: object) -> str:
    if default is None or default in ({}, ()):
        return ""
    return f"  [default: {str(default).lower() if isinstance(default, bool) else default}]"


def _metavar(declaration: Declaration) -> str:
    kinds = {int: "INTEGER", float: "NUMBER", str: "TEXT"}
    annotation = declaration.field.annotation
    if declaration.name == "image_size":
        return "SIDE|HxW"
    if declaration.name == "max_time":
        return "TIME"
    for kind in (annotation, *get_args(annotation)):
        if kind in kinds:
            return kinds[kind]
    return "TEXT"


def pairs_of(texts: tuple[str, ...], name: str) -> dict[str, object]:
    """Reads repeated NAME=VALUE of a setting in `PAIRS`.

    Raises:
        SettingsError: one has no sign, or no name.
    """
    pairs: dict[str, object] = {}
    faults = []
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign and key and name == "space":  # a name alone: its own range
            pairs[key] = None
        elif not sign or not key:
            faults.append(
                Fault(name, text, f"must be NAME=VALUE, such as {PAIRS[name]} name=3.", PAIRS[name])
            )
        elif name in TEXTS:
            pairs[key] = value
        else:
            pairs[key.replace("-", "_")] = _value(value)
    if faults:
        raise SettingsError(faults)
    return pairs


def _value(text: str) -> object:
    """Reads `5`, `[32,64]`, `true` or plain text; what is not YAML stays text and is refused by its field."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
