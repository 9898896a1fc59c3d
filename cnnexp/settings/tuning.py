"""Settings of studies: what `tune` and `sweep` have beside the settings of a run, which trials vary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from cnnexp.settings.groups import Group, OrNone, Settings
from cnnexp.settings.types import mapping_from_text, one_or_more

Objective = Literal["val/accuracy", "val/loss", "parameters", "macs", "latency_ms", "seconds"]
MEASURED: tuple[str, ...] = ("val/accuracy", "val/loss")  # improve epoch by epoch, so trials can be pruned
OBJECTIVES: tuple[str, ...] = get_args(Objective)


class SearchSettings(Group):
    """What is searched, how, and what counts."""

    trials: int = Field(
        40, ge=1, le=100_000, description="Finished trials of the whole study, however many work on it."
    )
    space: Annotated[dict[str, Any], BeforeValidator(mapping_from_text)] = Field(
        {},
        description="What is searched, a setting or a model argument each: lr=1e-4..1e-1:log, "
        "kernel_size=3,5,7, depth=1..4, batch_size=16..256:log2, or a name alone for its own range; else the "
        "model's arguments, lr and batch_size.",
    )
    sampler: Literal["tpe", "random", "gp", "qmc", "cmaes", "nsga2", "grid"] = Field(
        "tpe", description="Who proposes candidates."
    )
    pruner: Literal["median", "hyperband", "successive-halving", "percentile", "none"] = Field(
        "median", description="Who ends hopeless trials before their last epoch."
    )
    objective: Annotated[tuple[Objective, ...], BeforeValidator(one_or_more)] = Field(
        (),
        description="What is optimised, several for a Pareto front; else what --monitor says.",
    )
    repeats: int = Field(
        1, ge=1, le=100, description="Seeds each candidate is trained with; the mean counts."
    )
    max_parameters: Annotated[int | None, OrNone] = Field(
        None, ge=1, description="Candidates with more parameters are not trained."
    )
    max_macs: Annotated[int | None, OrNone] = Field(
        None, ge=1, description="Candidates with more multiply-accumulates per image are not trained."
    )
    refit: bool = Field(True, description="Train the best candidate again at the end, and test it once.")


class SweepSettings(Group):
    """Which grid is trained."""

    vary: Annotated[dict[str, Any], BeforeValidator(mapping_from_text)] = Field(
        {}, description="Settings or model arguments and their values: kernel_size=3,5,7."
    )
    seeds: int = Field(1, ge=1, le=1000, description="Seeds each cell of the grid is trained with.")


class StudySettings(Group):
    """Where a study is kept, and who works on it."""

    study: Annotated[str | None, OrNone] = Field(
        None,
        max_length=200,
        description="Name; else made from model, data and settings, so that the same command finds it again.",
    )
    storage: Annotated[str | None, OrNone] = Field(
        None,
        description="Optuna storage: sqlite:///FILE, postgresql://…, mysql://…; else optuna.db beside the "
        "MLflow store.",
    )
    jobs: Annotated[int | None, OrNone] = Field(
        None,
        ge=1,
        le=1024,
        description="Worker processes on this machine; else by cores, GPUs and model size.",
    )
    max_failures: int = Field(
        10, ge=1, description="Trials that may fail in a row before the study is given up."
    )
    heartbeat: int = Field(
        10,
        ge=1,
        le=3600,
        description="Seconds between signs of life of a worker; three missing ones count as its death.",
    )
    engine: Literal["local", "dask"] = Field(
        "local", description="Who starts the workers: this command, or a Dask cluster (--workers of them)."
    )
    cluster: Annotated[str | None, OrNone] = Field(
        None, description="Address of the Dask scheduler (engine dask); else a cluster of this machine."
    )


class StudyOf(Settings):
    """Settings of the runs of a study, and where it is kept."""

    study: StudySettings = StudySettings()

    def of_a_run(self) -> Settings:
        """Returns the settings of its runs, before they vary."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})


class TuneSettings(StudyOf):
    """Settings of `cnnexp tune`."""

    command: ClassVar[str] = "tune"
    own_defaults: ClassVar[Mapping[str, object]] = {"model": "convnet", "epochs": 5}
    search: SearchSettings = SearchSettings()


class GridSettings(StudyOf):
    """Settings of `cnnexp sweep`."""

    command: ClassVar[str] = "sweep"
    own_defaults: ClassVar[Mapping[str, object]] = {"model": "convnet", "epochs": 5}
    sweep: SweepSettings = SweepSettings()
