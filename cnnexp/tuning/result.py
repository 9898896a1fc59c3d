"""What a study returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnexp.experiment.result import Result
from cnnexp.settings import TrackingSettings
from cnnexp.training.events import Outcome
from cnnexp.tuning.compare import Cell, Effect


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial, as tables show it.

    Attributes:
        number: of the trial.
        state: COMPLETE, PRUNED, FAIL.
        values: of the objectives; empty where it has none.
        params: what varied.
        facts: parameters, MACs, seconds, ...
        epochs: finished ones.
        reason: why it ended.
        run_id: of its MLflow run.
    """

    number: int
    state: str
    values: tuple[float, ...]
    params: Mapping[str, Any]
    facts: Mapping[str, float]
    epochs: int
    reason: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Improvement:
    """The refitted best candidate against the defaults, on the same test images.

    Attributes:
        best: test accuracy of the refitted best candidate.
        default: test accuracy of trial 0, which has the defaults.
        difference: best minus default.
        low, high: 95 % interval of the difference, from the images on which the two differ.
        num_images: of the test part.
    """

    best: float
    default: float
    difference: float
    low: float
    high: float
    num_images: int


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A study, finished or stopped.

    Attributes:
        outcome: how it ended, and why.
        name: of the study.
        objectives: what was optimised.
        trials: every trial that counts, by number.
        best: the best trial; the front's first for several objectives; None where none is complete.
        front: numbers of the trials that no other beats in all objectives.
        command: a `cnnexp train` line that repeats the refit.
        refit: the best candidate, trained again and tested once; None without.
        improvement: over the defaults; None where there is nothing to compare.
        run_id: of the study's own run.
        experiment_id: of MLflow.
        tracking_uri: of the store.
        tracking: settings of it, as given.
        storage: of the study, without a password.
    """

    outcome: Outcome
    name: str
    objectives: tuple[str, ...]
    trials: tuple[TrialRow, ...]
    best: TrialRow | None
    front: tuple[int, ...]
    command: str
    refit: Result | None
    improvement: Improvement | None
    run_id: str
    experiment_id: str
    tracking_uri: str
    tracking: TrackingSettings
    storage: str


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A sweep, finished or stopped.

    Attributes:
        outcome: how it ended, and why.
        name: of the sweep.
        varied: names of the settings that vary.
        cells: every combination, the best first.
        effects: what each varied setting does.
        sentences: the same in plain words, one per varied setting.
        command: a `cnnexp train` line for the best cell; empty where none was trained.
        run_id: of the sweep's own run.
        experiment_id: of MLflow.
        tracking_uri: of the store.
        tracking: settings of it, as given.
        storage: of the sweep, without a password.
    """

    outcome: Outcome
    name: str
    varied: tuple[str, ...]
    cells: tuple[Cell, ...]
    effects: tuple[Effect, ...]
    sentences: tuple[str, ...]
    command: str
    run_id: str
    experiment_id: str
    tracking_uri: str
    tracking: TrackingSettings
    storage: str
