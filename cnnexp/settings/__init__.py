"""Settings of a run: declared once in `groups`, read from anywhere by `resolve`."""

from cnnexp.settings.groups import (
    ComputeSettings,
    DataSettings,
    NetworkSettings,
    OptimizationSettings,
    Settings,
    TrackingSettings,
    TrainingSettings,
)
from cnnexp.settings.ranges import Choice, FloatRange, IntRange, SearchRange
from cnnexp.settings.resolve import Given, declarations, from_environment, resolve
from cnnexp.settings.yaml_file import read_settings_file, write_settings

__all__ = [
    "Choice",
    "ComputeSettings",
    "DataSettings",
    "FloatRange",
    "Given",
    "IntRange",
    "NetworkSettings",
    "OptimizationSettings",
    "SearchRange",
    "Settings",
    "TrackingSettings",
    "TrainingSettings",
    "declarations",
    "from_environment",
    "read_settings_file",
    "resolve",
    "write_settings",
]
