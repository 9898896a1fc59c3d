"""Plans and studies of the tests: nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import optuna

from cnnexp.settings import Given, Settings, StudySettings, resolve
from cnnexp.tuning.declared import build_space
from cnnexp.tuning.ledger import RECORD, Ledger, TrialRecord
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.pruning import build_pruner
from cnnexp.tuning.sampler import SeededSampler, sampler_factory, suggested
from cnnexp.tuning.space import Params, Space

SMALL = {"kernel_size": "3,5,7", "batch_size": "16..64:log2"}  # 9 candidates


def settings(**given: Any) -> Settings:
    named = {"model": "convnet", **given}
    return resolve({name: Given(value, "the test") for name, value in named.items()})


def space(asked: Mapping[str, Any] | None = None, **given: Any) -> Space:
    return build_space(asked or {}, settings(**given))


def plan(asked: Mapping[str, Any] | None = None, *, base: Settings | None = None, **changed: Any) -> Plan:
    base = base or settings()
    made = Plan(
        name="s",
        base=base,
        space=build_space(asked or SMALL, base),
        objectives=("val/accuracy",),
        wanted=40,
        sampler="tpe",
        pruner="none",
        repeats=1,
        max_parameters=None,
        max_macs=None,
        study=StudySettings(),
        storage="sqlite:///optuna.db",
        tracking_uri="sqlite:///mlflow.db",
    )
    return replace(made, **changed)


def in_memory(
    kind: str = "tpe",
    over: Space | None = None,
    *,
    seed: int = 0,
    pruner: str = "none",
    can_train: Callable[[Params], bool] = lambda _: True,
) -> tuple[optuna.Study, Ledger]:
    """A study without a file."""
    ledger = Ledger()
    sampler = SeededSampler(sampler_factory(kind), over or space(SMALL), ledger, seed, can_train=can_train)
    study = optuna.create_study(
        sampler=sampler, direction="maximize", pruner=build_pruner(pruner, epochs=9), study_name="s"
    )
    ledger.bind(study)
    return study, ledger


def one_trial(
    study: optuna.Study,
    ledger: Ledger,
    over: Space,
    value: Callable[[Params], float] = lambda _: 0.5,
    *,
    void: bool = False,
) -> Params:
    """Asks and tells as a worker does; returns the candidate."""
    trial = study.ask()
    place = ledger.place_of(trial)
    trial.set_user_attr(RECORD, TrialRecord(place=place).as_attribute())
    params = suggested(trial, over)
    if void:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, value(params))
    return params
