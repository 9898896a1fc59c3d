"""Settings in a YAML file: one `name: value` a line, the names of the command-line options."""

from __future__ import annotations

from pathlib import Path

import yaml

from cnnexp.errors import UserError
from cnnexp.settings.groups import Settings
from cnnexp.settings.resolve import Given


def read_settings_file(path: Path) -> dict[str, Given]:
    """Reads a settings file; each value remembers its line.

    Raises:
        UserError: the file is missing, not YAML, or not a list of `name: value`; the sentence names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(
            f"cannot read the config file {str(path)!r}: {reason}; give --config a YAML file."
        ) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise UserError(
                f"{path} line 1: a config file is lines of `name: value`, such as `model: lenet`."
            )
        return _values(node, path)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(
            f"{path} line {line}: not valid YAML ({error.problem}); write `name: value`."
        ) from error


def _values(node: yaml.MappingNode, path: Path) -> dict[str, Given]:
    values: dict[str, Given] = {}
    loader = yaml.SafeLoader("")
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        name = str(loader.construct_object(key_node, deep=True)).replace("-", "_")
        if name in values:
            raise UserError(f"{path} line {line}: {name} is given twice; keep one of the two.")
        values[name] = Given(loader.construct_object(value_node, deep=True), f"{path.name} line {line}")
    return values


def write_settings(settings: Settings) -> str:
    """Returns a settings file that `--config` reads back to the same settings."""
    text: str = yaml.safe_dump(settings.flat(), sort_keys=False, allow_unicode=True)
    return text
