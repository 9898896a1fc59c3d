"""A sweep's grid and its queue: every cell with the same seeds, each exactly once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from cnnexp.errors import SettingsError, UserError
from cnnexp.tuning.cells import CellLedger, queue_missing, queue_of
from cnnexp.tuning.declared import build_grid
from cnnexp.tuning.grid import cells_of, sweep
from cnnexp.tuning.ledger import RECORD, TrialRecord, record_of
from cnnexp.tuning.plan import Plan
from tests.unit.tuning import plans


def plan_of(vary: dict[str, Any], seeds: int = 2) -> Plan:
    base = plans.settings()
    space = build_grid(vary, base)
    count = sum(1 for _ in space.cells()) * seeds
    return replace(plans.plan(base=base), space=space, wanted=count, is_sweep=True)


def made(plan: Plan) -> tuple[optuna.Study, CellLedger]:
    study, ledger = optuna.create_study(direction="maximize"), CellLedger(plan.wanted)
    ledger.bind(study)
    for place, (params, repeat) in enumerate(queue_of(plan)):
        attribute = TrialRecord(place=place, repeat=repeat).as_attribute()
        study.enqueue_trial(params, user_attrs={RECORD: attribute})
    return study, ledger


def end(study: optuna.Study, how: str) -> None:
    """Takes the next queued trial and ends it: complete, failed, void."""
    trial = study.ask()
    trial.suggest_categorical("kernel_size", (3, 5))
    if how == "complete":
        study.tell(trial, 0.5 + 0.01 * record_of(trial).repeat)
        return
    if how == "failed":
        record = replace(record_of(trial), failed=True, reason="loss became nan")
        trial.set_user_attr(RECORD, record.as_attribute())
    study.tell(trial, state=TrialState.FAIL)


KERNELS = {"kernel_size": "3,5"}


def test_the_first_seed_is_trained_in_every_cell_before_the_second() -> None:
    queue = queue_of(plan_of({"kernel_size": "3,5", "batch_size": "16,64"}))
    assert [repeat for _, repeat in queue] == [0] * 4 + [1] * 4
    assert queue[0][0] == queue[4][0] == {"kernel_size": 3, "batch_size": 16}


def test_more_seeds_append_to_the_queue() -> None:
    assert queue_of(plan_of(KERNELS, 3))[:4] == queue_of(plan_of(KERNELS, 2))


def test_a_failed_cell_counts_and_an_interrupted_one_does_not() -> None:
    study, ledger = made(plan_of(KERNELS))
    for how in ("complete", "failed", "void"):
        end(study, how)
    assert len(ledger.finished()) == 2
    assert ledger.num_used() == 3


def test_what_was_interrupted_is_queued_again_once(tmp_path: Any) -> None:
    plan = replace(plan_of(KERNELS), storage=f"sqlite:///{tmp_path}/optuna.db")
    study, ledger = made(plan)
    for how in ("complete", "void", "failed"):
        end(study, how)
    for _ in range(2):
        queue_missing(study, ledger, plan)
    waiting = [record_of(one) for one in study.get_trials(states=(TrialState.WAITING,))]
    assert sorted((one.place, one.repeat) for one in waiting) == [(1, 0), (3, 1)]


def test_of_two_trials_of_one_place_only_the_first_is_admitted() -> None:
    plan = plan_of(KERNELS)
    study, ledger = made(plan)
    study.enqueue_trial({"kernel_size": 3}, user_attrs={RECORD: {"place": 0}})
    for _ in range(5):
        study.ask()
    assert [ledger.is_admitted(number, plan.wanted) for number in range(5)] == [True] * 4 + [False]


def test_seeds_that_are_no_longer_wanted_are_not_trained() -> None:
    study, ledger = made(plan_of(KERNELS))
    for _ in range(4):
        study.ask()
    assert [ledger.is_admitted(number, wanted=2) for number in range(4)] == [True, True, False, False]


def test_cells_know_their_seeds_and_why_one_is_missing() -> None:
    plan = plan_of(KERNELS)
    study, ledger = made(plan)
    for how in ("complete", "failed", "complete", "complete"):
        end(study, how)
    first, second = cells_of(plan, ledger.trials())
    assert (first.accuracies, second.accuracies) == ({0: 0.5, 1: 0.51}, {1: 0.51})
    assert (first.note, second.note) == ("", "loss became nan")


def test_widths_are_one_dimension_for_all_layers() -> None:
    plan = plan_of({"depth": "1..3", "widths": "16,32"}, 1)
    assert plan.wanted == 6
    found = [plan.settings_of(cell, seed=0).network.model_args["widths"] for cell, _ in queue_of(plan)]
    assert found == [[16], [32], [16, 16], [32, 32], [16, 16, 16], [32, 32, 32]]


def test_depth_alone_repeats_the_models_own_width() -> None:
    plan = plan_of({"depth": "1..2"}, 1)
    found = [plan.settings_of(cell, seed=0).network.model_args["widths"] for cell, _ in queue_of(plan)]
    assert found == [[32], [32, 32]]


def test_models_can_be_compared() -> None:
    plan = plan_of({"model": "lenet,mlp"}, 1)
    assert [plan.settings_of(cell, seed=0).network.model for cell, _ in queue_of(plan)] == ["lenet", "mlp"]


@pytest.mark.parametrize(
    ("vary", "sentence"),
    [
        ({}, "give --vary NAME=A,B,C"),
        ({"lr": "1e-4..1e-1:log"}, "is continuous, and a grid needs single values"),
        ({"kernal_size": "3,5"}, "cannot vary; did you mean 'kernel_size'?"),
        ({"seed": "1,2"}, "varies by --seeds"),
        ({"dataset": "digits,mnist"}, "cannot vary"),
        ({"model": "lenet,lennet"}, "'lennet' is not one of"),
        ({"model": "lenet,mlp", "kernel_size": "3,5"}, "cannot vary beside model"),
        ({"kernel_size": "3"}, "is one value"),
    ],
)
def test_what_cannot_vary_is_refused(vary: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence.replace("?", r"\?")):
        build_grid(vary, plans.settings())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"vary": {"batch_size": "16..400"}, "seeds": 3},
            "385 cells, with 3 .* 1,155 trainings, .* say --yes",
        ),
        ({"vary": {"lr": "0,0.1"}}, "must be more than 0"),
        ({"vary": KERNELS, "seeds": 0}, "must be at least 1"),
        ({"vary": KERNELS, "space": {"lr": "1"}}, "is not a setting"),
    ],
)
@pytest.mark.usefixtures("ready_store")
def test_bad_input_is_found_before_anything_is_made(
    given: dict[str, Any], sentence: str, tmp_path: Any
) -> None:
    with pytest.raises(UserError, match=sentence):
        sweep(jobs=1, **given)
    assert not (tmp_path / "optuna.db").exists()
