"""The studies of a storage: listed, or removed with their runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from cnnexp.errors import did_you_mean
from cnnexp.tracking.store import Store
from cnnexp.tuning.ledger import FINISHED
from cnnexp.tuning.storage import StudyError, hidden, is_missing, open_storage, opened_first
from cnnexp.tuning.study import DEFINITION

_HEARTBEAT = 60  # of a look: no trial is run


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study, as a list shows it.

    Attributes:
        name: of the study.
        objectives: what is optimised; empty where the study is not ours.
        finished: trials that count.
        running: trials at work, or left by the dead.
        best: best value of the first objective; None where no trial is complete.
        started: local time of the first trial; None before it.
    """

    name: str
    objectives: tuple[str, ...]
    finished: int
    running: int
    best: float | None
    started: datetime | None


def list_studies(url: str) -> list[StudyRow]:
    """Returns the studies of a storage, by name.

    Raises:
        StudyError: the storage cannot be used.
    """
    if is_missing(url):
        return []
    storage = _open(url)
    return [_row(optuna.load_study(study_name=name, storage=storage)) for name in _names(storage)]


def delete_study(name: str, url: str, store: Store) -> int:
    """Removes a study, its run and its trials' runs; returns how many runs.

    Raises:
        StudyError: there is no such study, or a trial of it is running.
    """
    names: list[str] = []
    if not is_missing(url):
        storage = _open(url)
        names = _names(storage)
    if name not in names:
        listed = ", ".join(names) or "none"
        raise StudyError(
            f"there is no study {name!r} in {hidden(url)}{did_you_mean(name, names)} Studies: {listed}."
        )
    if store.has_living_runs(name):
        raise StudyError(f"study {name!r} is at work; stop that first (Ctrl-C, or kill -TERM).")
    deleted = store.delete_study_runs(name)
    optuna.delete_study(study_name=name, storage=storage)
    return deleted


def _open(url: str) -> RDBStorage:
    with opened_first(url):
        return open_storage(url, heartbeat=_HEARTBEAT)


def _names(storage: RDBStorage) -> list[str]:
    return sorted(summary.study_name for summary in optuna.get_all_study_summaries(storage))


def _row(study: optuna.Study) -> StudyRow:
    trials = study.get_trials(deepcopy=False)
    values = [one.values[0] for one in trials if one.state == TrialState.COMPLETE]
    choose = max if study.directions[0] == StudyDirection.MAXIMIZE else min
    starts = [one.datetime_start for one in trials if one.datetime_start is not None]
    return StudyRow(
        name=study.study_name,
        objectives=tuple(study.user_attrs.get(DEFINITION, {}).get("objectives", ())),
        finished=sum(one.state in FINISHED for one in trials),
        running=sum(one.state == TrialState.RUNNING for one in trials),
        best=choose(values) if values else None,
        started=min(starts) if starts else None,
    )
