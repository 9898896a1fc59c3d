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
from cnnexp.settings.race import RaceSettings
from cnnexp.settings.ranges import Choice, FloatRange, IntRange, SearchRange
from cnnexp.settings.resolve import Given, declarations, from_environment, resolve, resolve_as
from cnnexp.settings.tuning import GridSettings, SearchSettings, StudySettings, SweepSettings, TuneSettings
from cnnexp.settings.yaml_file import read_settings_file, write_settings

__all__ = [
    "Choice",
    "ComputeSettings",
    "DataSettings",
    "FloatRange",
    "Given",
    "GridSettings",
    "IntRange",
    "NetworkSettings",
    "OptimizationSettings",
    "RaceSettings",
    "SearchRange",
    "SearchSettings",
    "Settings",
    "StudySettings",
    "SweepSettings",
    "TrackingSettings",
    "TrainingSettings",
    "TuneSettings",
    "declarations",
    "from_environment",
    "read_settings_file",
    "resolve",
    "resolve_as",
    "write_settings",
]
