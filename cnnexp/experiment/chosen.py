"""Which settings of a run were chosen: neither defaults, nor what a default comes to here anyway."""

from __future__ import annotations

from typing import Any

import yaml

from cnnexp.models import MODELS, check_arguments
from cnnexp.models.pretrained import normalization_of
from cnnexp.settings import ComputeSettings, Settings, declarations
from cnnexp.tracking.environment import without_passwords
from cnnexp.training.compute import find_compute


def chosen_text(asked: Settings) -> str:
    """Returns the chosen settings as a settings file; what a run has resolved stands in its own, beside it.

    Args:
        asked: before anything `auto` was resolved.
    """
    chosen = chosen_settings(asked)
    if "tracking_uri" in chosen:
        chosen["tracking_uri"] = without_passwords(str(chosen["tracking_uri"]))
    text: str = yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True)
    return text if chosen else "# every setting is left at its default\n"


def chosen_settings(asked: Settings) -> dict[str, Any]:
    """Returns the settings that were chosen, by name, in the order of their declaration.

    A file of all settings, such as a run leaves, may be trained again: what it says of device, layout and
    model arguments is then no choice where the defaults come to the same.
    """
    flat, comes_to = asked.flat(), _what_defaults_come_to(asked)
    given, defaults = flat["model_args"], comes_to["model_args"]
    flat["model_args"] = {name: value for name, value in given.items() if _plain(value) != defaults.get(name)}
    return {
        name: flat[name]
        for name, one in declarations().items()
        if flat[name] not in (_plain(one.default), comes_to.get(name))
    }


def _what_defaults_come_to(asked: Settings) -> dict[str, Any]:
    compute, model = find_compute(ComputeSettings()), MODELS.get(asked.network.model)
    return {
        "device": str(compute.device),
        "memory_format": compute.layout,
        "normalize": normalization_of(model.name) if asked.network.pretrained else "dataset",
        "model_args": {name: _plain(value) for name, value in check_arguments(model, {}).items()},
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - of any setting
    return list(value) if isinstance(value, tuple) else value
