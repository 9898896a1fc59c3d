from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from cnnexp.tuning.ledger import record_of
from cnnexp.tuning.plan import Plan
from cnnexp.tuning.storage import StudyError, open_storage, opened_first
from cnnexp.tuning.study import (
    check_same,
    definition_of,
    first_candidates,
    load_study,
    make_or_join,
    recorded_settings,
    short_hash,
)
from tests.unit.tuning.plans import SMALL, plan, settings


@pytest.fixture
def made(tmp_path: Path) -> Plan:
    """A plan whose study is made."""
    one = plan(storage=f"sqlite:///{tmp_path}/optuna.db")
    make(one)
    return one


def make(one: Plan, digest: str = "d1") -> bool:
    with opened_first(one.storage):
        storage = open_storage(one.storage, heartbeat=60)
        flat = {**one.base.flat(), "trials": one.wanted, "jobs": 3, "storage": one.storage}
        new = make_or_join(one, storage, digest, first_candidates(one), flat)
        storage.engine.dispose()
        return new


def test_a_new_study_begins_with_the_defaults_as_trial_0(made: Plan) -> None:
    study, ledger = load_study(made, open_storage(made.storage, heartbeat=60))
    (first,) = study.get_trials()
    assert first.state is optuna.trial.TrialState.WAITING
    assert first.system_attrs["fixed_params"] == {"kernel_size": 3, "batch_size": 32}
    assert ledger.place_of(first) == record_of(first).place == 0


def test_the_same_command_joins_and_queues_nothing_again(made: Plan) -> None:
    assert not make(made)
    assert len(optuna.load_study(study_name="s", storage=made.storage).get_trials()) == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"objectives": ("val/loss",)}, "objectives ['val/accuracy'] there, ['val/loss'] here"),
        ({"repeats": 3}, "repeats 1 there, 3 here"),
        ({"max_parameters": 9}, "max_parameters None there, 9 here"),
        ({"base": settings(epochs=9)}, "epochs 5 there, 9 here"),
        ({"base": settings(split_seed=4)}, "split_seed"),
    ],
)
def test_another_study_of_that_name_is_refused_and_stays_as_it_is(
    made: Plan, changed: dict[str, object], says: str
) -> None:
    attributes = optuna.load_study(study_name="s", storage=made.storage).user_attrs
    base = settings(epochs=5)
    other = replace(made, base=base, name="t")
    make(other)
    with pytest.raises(StudyError, match=r"study 't' exists and is another one: .*--study") as caught:
        make(replace(other, **changed))  # type: ignore[arg-type]  # of the parametrisation
    assert says in str(caught.value)
    studies = {one.study_name for one in optuna.get_all_study_summaries(made.storage)}
    assert studies == {"s", "t"}
    study = optuna.load_study(study_name="s", storage=made.storage)
    assert study.user_attrs == attributes
    assert len(study.get_trials()) == 1


def test_another_space_and_other_data_are_named(made: Plan) -> None:
    wider = plan({**SMALL, "kernel_size": "3,5"}, storage=made.storage)
    with pytest.raises(StudyError, match=r"space {.*'kernel_size': '3,5,7'.*} there, {.*'3,5'.*} here"):
        make(wider)
    with pytest.raises(StudyError, match="data d1 there, d2 here"):
        make(made, "d2")


def test_what_does_not_change_the_findings_may_differ(made: Plan) -> None:
    base = settings(threads=1, cache=False, run_name="other", workers=2)
    assert not make(replace(made, base=base, sampler="random", pruner="median", wanted=99))


def test_a_study_of_someone_else_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    optuna.create_study(study_name="s", storage=url)
    with pytest.raises(StudyError, match="study 's' was not made by cnnexp, or its making was cut short"):
        make(plan(storage=url))
    with pytest.raises(StudyError, match="study 's' was not made by cnnexp"):
        recorded_settings("s", url)


def test_nothing_differs_between_equal_definitions() -> None:
    check_same("s", {"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1})


def test_the_default_name_depends_on_all_of_the_definition_and_nothing_else() -> None:
    one = plan()
    name = short_hash(definition_of(one, "d1"))
    assert name == short_hash(definition_of(plan(wanted=7, base=settings(threads=1)), "d1"))
    others = [
        definition_of(one, "d2"),
        definition_of(plan({"lr": None}), "d1"),
        definition_of(plan(base=settings(seed=1)), "d1"),
        definition_of(replace(one, objectives=("val/loss",)), "d1"),
    ]
    assert len({name, *(short_hash(other) for other in others)}) == 5


def test_a_folder_of_photos_may_lie_elsewhere_on_another_machine() -> None:
    here = definition_of(plan(base=settings(dataset="folder:/here/photos")), "d1")
    there = definition_of(plan(base=settings(dataset="folder:/there/photos")), "d1")
    assert here == there


def test_the_settings_of_a_study_are_found_again_without_those_of_the_command(made: Plan) -> None:
    found = recorded_settings("s", made.storage)
    assert found["model"] == "convnet"
    assert found["trials"] == 40
    assert not {"jobs", "storage", "tracking_uri", "study"} & set(found)


def test_a_study_that_is_not_there_is_said_with_those_that_are(made: Plan) -> None:
    make(replace(made, name="mnist-1"))
    with pytest.raises(StudyError) as caught:
        recorded_settings("mnist1", made.storage)
    assert "there is no study 'mnist1' in sqlite:///" in str(caught.value)
    assert "did you mean 'mnist-1'?" in str(caught.value)
    assert "Studies there: mnist-1, s." in str(caught.value)


def test_a_grid_begins_with_all_its_cells(tmp_path: Path) -> None:
    one = plan(sampler="grid", storage=f"sqlite:///{tmp_path}/optuna.db")
    make(one)
    queued = optuna.load_study(study_name="s", storage=one.storage).get_trials()
    assert [trial.system_attrs["fixed_params"] for trial in queued] == list(one.space.cells())
    assert [record_of(trial).place for trial in queued] == list(range(9))
