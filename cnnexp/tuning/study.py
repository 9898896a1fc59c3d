"""Makes, joins and checks a study."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.study import Study

from cnnexp.errors import did_you_mean
from cnnexp.tuning.cells import CellLedger
from cnnexp.tuning.ledger import RECORD, Ledger, TrialRecord, dumps
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.pruning import build_pruner
from cnnexp.tuning.sampler import SeededSampler, sampler_factory
from cnnexp.tuning.space import Params
from cnnexp.tuning.storage import StudyError, hidden, is_missing, open_storage, opened_first, storage_errors

DEFINITION = "cnnexp.definition"
PARENT_RUN = "cnnexp.parent_run"
SETTINGS = "cnnexp.settings"
_OF_THIS_COMMAND = ("tracking_uri", "storage", "study", "jobs", "max_time", "data_dir", "engine", "cluster")
# Settings of a run that do not change what is learned: they may differ between two workers of a study.
_OF_THE_MACHINE = (
    *("data_dir", "cache", "memory_budget", "workers", "device", "threads", "compile", "memory_format"),
    *("tracking_uri", "experiment", "run_name", "tags", "figures", "log_model", "plugin", "max_time"),
)


def definition_of(plan: Plan, digest: str) -> dict[str, Any]:
    """Returns what makes a study this study: two workers of one study must agree on it."""
    settings = {name: value for name, value in plan.base.flat().items() if name not in _OF_THE_MACHINE}
    if settings["dataset"].startswith("folder:"):  # the digest says what lies in it
        settings["dataset"] = "folder"
    return {
        **({"kind": "sweep"} if plan.is_sweep else {}),
        "space": plan.space.describe(),
        "objectives": list(plan.objectives),
        "repeats": plan.repeats,
        "max_parameters": plan.max_parameters,
        "max_macs": plan.max_macs,
        "data": digest,
        **settings,
    }


def short_hash(definition: Mapping[str, Any]) -> str:
    """Returns 6 hex digits: the default name of a study ends in them, so the same command finds it again."""
    return hashlib.sha256(dumps(definition).encode()).hexdigest()[:6]


def load_study(plan: Plan, storage: RDBStorage) -> tuple[Study, Ledger]:
    """Opens the study for working on it.

    Raises:
        StudyError: there is no such study.
    """
    ledger = CellLedger(plan.wanted) if plan.is_sweep else Ledger()
    factory = sampler_factory(plan.sampler, num_objectives=len(plan.objectives))
    sampler = SeededSampler(factory, plan.space, ledger, plan.base.training.seed, can_train=plan.can_train)
    pruner = build_pruner(plan.pruner if plan.is_pruned else "none", epochs=plan.base.training.epochs)
    with warnings.catch_warnings(), storage_errors(plan.storage):
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            study = optuna.load_study(study_name=plan.name, storage=storage, sampler=sampler, pruner=pruner)
        except KeyError as error:
            raise StudyError(f"there is no study {plan.name!r} in {plan.storage}.") from error
    ledger.bind(study)
    return study, ledger


def make_or_join(
    plan: Plan,
    storage: RDBStorage,
    digest: str,
    queued: list[tuple[Params, int]],
    settings: Mapping[str, Any],
) -> bool:
    """Makes the study with its first candidates, or checks that the one of that name is the same.

    Args:
        plan: of the study.
        storage: open; the caller holds `opened_first`.
        digest: of the data.
        queued: candidates that a new study begins with, each with the number of its seed.
        settings: those that were given, by flat name, for `--resume`.

    Returns:
        True where the study is new.

    Raises:
        StudyError: it exists and is another one; nothing is changed.
    """
    definition = definition_of(plan, digest)
    names = {summary.study_name for summary in optuna.get_all_study_summaries(storage)}
    if plan.name in names:
        study = optuna.load_study(study_name=plan.name, storage=storage)
        check_same(plan.name, study.user_attrs.get(DEFINITION), definition)
        return False
    study = optuna.create_study(study_name=plan.name, storage=storage, directions=plan.directions)
    study.set_user_attr(SETTINGS, {k: v for k, v in settings.items() if k not in _OF_THIS_COMMAND})
    for place, (params, repeat) in enumerate(queued):
        record = TrialRecord(place=place, repeat=repeat)
        study.enqueue_trial(params, user_attrs={RECORD: record.as_attribute()})
    study.set_user_attr(DEFINITION, definition)
    return True


def recorded_settings(name: str, url: str) -> dict[str, Any]:
    """Returns the settings a study was made with.

    Raises:
        StudyError: there is no such study, or it was not made by cnnexp.
    """
    names: list[str] = []
    if not is_missing(url):
        with opened_first(url):
            storage = open_storage(url, heartbeat=60)
            names = sorted(summary.study_name for summary in optuna.get_all_study_summaries(storage))
    if name not in names:
        listed = ", ".join(names) or "none"
        raise StudyError(
            f"there is no study {name!r} in {hidden(url)}{did_you_mean(name, names)} Studies there: {listed}."
        )
    settings = optuna.load_study(study_name=name, storage=storage).user_attrs.get(SETTINGS)
    if settings is None:
        raise StudyError(f"study {name!r} was not made by cnnexp; choose another with --study.")
    found: dict[str, Any] = settings
    return found


def check_same(name: str, recorded: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> None:
    """Refuses a study that is another one.

    Raises:
        StudyError: names what differs.
    """
    if recorded is None:
        raise StudyError(
            f"study {name!r} was not made by cnnexp, or its making was cut short: choose another --study, or "
            f"remove it with `cnnexp studies delete {name}`."
        )
    differing = [key for key in {**recorded, **wanted} if recorded.get(key) != wanted.get(key)]
    if differing:
        what = "; ".join(f"{key} {recorded.get(key)} there, {wanted.get(key)} here" for key in differing)
        raise StudyError(
            f"study {name!r} exists and is another one: {what}. Give it another name with --study, or make "
            "the settings equal."
        )


def first_candidates(plan: Plan) -> list[tuple[Params, int]]:
    """Returns what a search begins with: the defaults as trial 0, or every cell of a grid.

    Raises:
        UserError: a grid over a continuous dimension.
    """
    if plan.sampler == "grid":
        return [(cell, 0) for cell in plan.space.cells()]
    return [(plan.space.default(plan.base), 0)]
