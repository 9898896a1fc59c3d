"""Types of settings that are written shorter than they are meant: `1h30m`, `64x48`."""

from __future__ import annotations

import re
from typing import Annotated

import yaml
from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


def parse_duration(value: object) -> object:
    """Returns seconds for `90`, `90s`, `5m`, `1h30m`, `1d`; anything else is left to the field to refuse."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    parts = _DURATION.findall(text)
    if parts and not _DURATION.sub("", text).strip():
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise ValueError("must be a time such as 90s, 5m or 1h30m") from None


def parse_image_size(value: object) -> object:
    """Returns (height, width) for `64`, `64x48` (height first) or a pair."""
    wrong = ValueError("must be a size in pixels such as 64, or 64x48 (height x width), each side 1 to 4096")
    sides: list[object]
    if isinstance(value, bool):
        raise wrong
    if isinstance(value, str):
        sides = list(re.split(r"[x×]", value.strip().lower()))
    elif isinstance(value, (list, tuple)):
        sides = list(value)
    else:
        sides = [value]
    if len(sides) == 1:
        sides *= 2
    try:
        size = tuple(int(str(side)) for side in sides)
    except ValueError:
        raise wrong from None
    if len(size) != 2 or not all(1 <= side <= 4096 for side in size):  # noqa: PLR2004 - height and width
        raise wrong
    return size


def _write_image_size(size: tuple[int, int] | None) -> str | int | None:
    if size is None:
        return None
    height, width = size
    return height if height == width else f"{height}x{width}"


def empty_is_none(value: object) -> object:
    """An empty string means "not set": `mlflow run -P run_name=` passes one."""
    return None if isinstance(value, str) and value.strip().lower() in {"", "none", "null"} else value


def flag_or_text(value: object) -> object:
    """Returns a bool for the words of one and for nothing, any other text as it is: a file's name."""
    words = {"true": True, "yes": True, "false": False, "no": False, "none": False, "": False, None: False}
    word = value.strip().lower() if isinstance(value, str) else value
    return words.get(word, value) if word is None or isinstance(word, str) else value


def one_or_more(value: object) -> object:
    """A single text is a list of one, so that a file may say `plugin: my_models.py`."""
    return (value,) if isinstance(value, str) else value


def mapping_from_text(value: object) -> object:
    """Reads `{kernel_size: 5}`, as an environment variable has it; anything else is left to the field."""
    if not isinstance(value, str):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
ImageSize = Annotated[
    tuple[int, int], BeforeValidator(parse_image_size), PlainSerializer(_write_image_size, when_used="json")
]
