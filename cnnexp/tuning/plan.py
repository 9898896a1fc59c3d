"""What every worker of a study knows, wherever it runs: plain data that travels between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from optuna.study import StudyDirection

from cnnexp.errors import UserError
from cnnexp.image_spec import ImageSpec
from cnnexp.models import can_take
from cnnexp.settings import Given, Settings, StudySettings, resolve
from cnnexp.settings.tuning import MEASURED
from cnnexp.tuning.space import Params, Space

MAXIMIZED = ("val/accuracy",)


@dataclass(frozen=True, slots=True)
class Plan:
    """A study, as its workers see it.

    Attributes:
        name: of the study.
        base: settings of every trial, before they vary.
        space: what varies.
        objectives: what is optimised, in order.
        wanted: finished trials of the whole study.
        sampler, pruner: names of the settings.
        repeats: seeds a candidate is trained with.
        max_parameters, max_macs: larger networks are not trained; None: no limit.
        study: where the study is kept and how it is watched.
        storage: absolute URL of the study's storage.
        tracking_uri: absolute URI of the MLflow store.
        experiment_id: of MLflow, for the trials' runs.
        parent_run: id of the study's own run.
        workers: how many are asked for, on this machine or on a cluster; None: chosen.
        deadline: time.time() after which no trial starts; None: none.
        is_sweep: every cell of the space is trained with the same seeds; nothing is proposed.
        spec: of the images, where no candidate says another size; None: not known.
    """

    name: str
    base: Settings
    space: Space
    objectives: tuple[str, ...]
    wanted: int
    sampler: str
    study: StudySettings
    storage: str
    tracking_uri: str
    pruner: str = "none"
    repeats: int = 1
    max_parameters: int | None = None
    max_macs: int | None = None
    experiment_id: str = ""
    parent_run: str = ""
    workers: int | None = None
    deadline: float | None = None
    is_sweep: bool = False
    spec: ImageSpec | None = None

    @property
    def directions(self) -> list[StudyDirection]:
        """Returns Optuna's direction of each objective."""
        ways = (StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE)
        return [ways[one in MAXIMIZED] for one in self.objectives]

    @property
    def maximizes(self) -> bool:
        """True where more of the first objective is better."""
        return self.objectives[0] in MAXIMIZED

    @property
    def is_pruned(self) -> bool:
        """True where trials can end early: one objective that improves epoch by epoch."""
        return self.pruner != "none" and len(self.objectives) == 1 and self.objectives[0] in MEASURED

    def settings_of(self, params: Params, *, seed: int, **machine: object) -> Settings:
        """Returns a candidate's settings.

        Args:
            params: what varies, active ones only.
            seed: of the training.
            machine: what the worker decides: threads, device.

        Raises:
            SettingsError: two of its values contradict each other.
        """
        base = {name: Given(value, "the study") for name, value in self.base.flat().items()}
        machine = {"seed": seed, **machine}
        own = {name: Given(value, "the worker") for name, value in machine.items()}
        return resolve(base, self.space.given(params, self.base), own)

    def can_train(self, params: Params) -> bool:
        """Tells whether a candidate can be trained at all: its values agree, its network takes the images."""
        try:
            settings = self.settings_of(params, seed=0)
            if self.spec is None:
                return True
            height, width = settings.data.image_size or (self.spec.height, self.spec.width)
            spec = replace(self.spec, height=height, width=width)
            return can_take(settings.network.model, spec, settings.network.model_args)
        except UserError:
            return False

    def logged(self, params: Mapping[str, Any]) -> dict[str, object]:
        """Returns the params of a trial's run: the same names in every one; a layer that is absent has 0."""
        varied = {one.name: params.get(one.name, 0) for one in self.space.dimensions}
        network, training = self.base.network, self.base.training
        return {"model": network.model, "epochs": training.epochs, **varied}
