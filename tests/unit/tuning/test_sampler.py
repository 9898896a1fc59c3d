from __future__ import annotations

import optuna
import pytest

from cnnexp.image_spec import ImageSpec
from cnnexp.tuning.sampler import derived_seed, sampler_factory, suggested
from cnnexp.tuning.space import Params, candidate_key
from cnnexp.tuning.storage import StudyError
from tests.unit.tuning.plans import SMALL, in_memory, one_trial, plan, space

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
FAST = ["tpe", "random", "qmc", "nsga2"]
DEEP = {"depth": "1..3", "widths": "8,9", "kernel_size": "3,5"}  # too much for 8×8 images
MIXED = {"depth": "1..3", "widths": "8,16", "lr": None, "batch_size": None}


def value_of(params: Params) -> float:
    """Something to climb, so that samplers come back to the same places."""
    return float(-abs(params["kernel_size"] - 5) - abs(params["batch_size"] - 32) / 100)


@pytest.mark.parametrize("kind", [*FAST, "gp", "cmaes"])
def test_no_candidate_comes_twice_before_all_have_come(kind: str) -> None:
    if kind == "cmaes":
        pytest.importorskip("cmaes")
    over = space(SMALL)
    study, ledger = in_memory(kind, over)
    seen = [candidate_key(one_trial(study, ledger, over, value_of)) for _ in range(9)]
    assert set(seen) == {candidate_key(cell) for cell in over.cells()}
    assert candidate_key(one_trial(study, ledger, over, value_of)) in seen  # nothing new is left


@pytest.mark.parametrize("kind", FAST)
def test_candidates_that_cannot_be_trained_are_not_proposed_while_others_are_left(kind: str) -> None:
    made = plan(DEEP, spec=ImageSpec(1, 8, 8, 10))
    study, ledger = in_memory(kind, made.space, can_train=made.can_train)
    possible = [cell for cell in made.space.cells() if made.can_train(cell)]
    assert 0 < len(possible) < made.space.num_cells()
    proposed = [one_trial(study, ledger, made.space) for _ in range(len(possible) + 1)]
    assert all(map(made.can_train, proposed[:-1]))
    assert not made.can_train(proposed[-1])  # it is pruned, with the reason


@pytest.mark.parametrize("kind", FAST)
def test_candidates_that_are_being_trained_are_not_proposed_again(kind: str) -> None:
    over = space(SMALL)
    study, _ = in_memory(kind, over)
    seen = {candidate_key(suggested(study.ask(), over)) for _ in range(9)}
    assert len(seen) == 9


@pytest.mark.parametrize("kind", [*FAST, "cmaes"])
def test_a_study_interrupted_anywhere_proposes_what_the_undisturbed_one_does(kind: str) -> None:
    if kind == "cmaes":
        pytest.importorskip("cmaes")
    over = space(MIXED)

    def value(params: Params) -> float:
        return float(params["depth"] + params["lr"])

    study, ledger = in_memory(kind, over)
    undisturbed = [one_trial(study, ledger, over, value) for _ in range(16)]
    study, ledger = in_memory(kind, over)
    disturbed = []
    for place in range(16):
        if place in (3, 12):
            one_trial(study, ledger, over, value, void=True)
        disturbed.append(one_trial(study, ledger, over, value))
    assert disturbed == undisturbed
    assert len({candidate_key(one) for one in undisturbed}) == 16


@pytest.mark.parametrize("kind", FAST)
def test_another_seed_is_another_study(kind: str) -> None:
    over = space(MIXED)
    drawn = []
    for seed in (0, 1):
        study, ledger = in_memory(kind, over, seed=seed)
        drawn.append([one_trial(study, ledger, over) for _ in range(3)])
    assert (drawn[0] != drawn[1]) == (kind != "qmc")  # that sequence is one for all


def test_a_given_candidate_is_taken_as_it_is() -> None:
    over = space(SMALL)
    study, ledger = in_memory("tpe", over)
    given = {"kernel_size": 7, "batch_size": 64}
    study.enqueue_trial(given)
    assert one_trial(study, ledger, over) == given


def test_what_a_given_candidate_leaves_open_is_drawn() -> None:
    over = space(SMALL)
    study, ledger = in_memory("tpe", over)
    study.enqueue_trial({"kernel_size": 7})
    found = one_trial(study, ledger, over)
    assert found["kernel_size"] == 7
    assert found["batch_size"] in (16, 32, 64)


def test_a_queued_candidate_is_not_proposed_either() -> None:
    over = space(SMALL)
    study, ledger = in_memory("random", over)
    first = study.ask()  # takes its number before the other is queued
    study.enqueue_trial({"kernel_size": 7, "batch_size": 64})
    suggested(first, over)
    drawn = [one_trial(study, ledger, over) for _ in range(8)]
    assert len({candidate_key(one) for one in drawn}) == 8


def test_tpe_finds_better_candidates_than_chance() -> None:
    over = space({"lr": "1e-4..1:log", "momentum": "0..0.99"})
    best = {}
    for kind in ("tpe", "random"):
        values = []
        for seed in range(3):
            study, ledger = in_memory(kind, over, seed=seed)
            for _ in range(30):
                one_trial(study, ledger, over, lambda p: -abs(p["lr"] - 0.01) - abs(p["momentum"] - 0.5))
            values.append(study.best_value)
        best[kind] = sum(values)
    assert best["tpe"] > best["random"]


def test_seeds_differ_with_each_of_their_numbers() -> None:
    seeds = {derived_seed(a, b, c) for a in range(5) for b in range(5) for c in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_a_sampler_whose_package_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(StudyError, match=r"pip install 'cnnexp\[cmaes\]'"):
        sampler_factory("cmaes")


def test_samplers_for_one_objective_are_refused_for_two() -> None:
    with pytest.raises(StudyError, match="sampler 'gp' is for one objective; with 2 choose tpe"):
        sampler_factory("gp", num_objectives=2)


def test_two_objectives_are_sampled_too() -> None:
    over = space(SMALL)
    for kind in FAST:
        _, ledger = in_memory(kind, over)
        study = optuna.create_study(sampler=ledger.study.sampler, directions=["maximize", "minimize"])
        ledger.bind(study)
        seen = set()
        for _ in range(9):
            trial = study.ask()
            params = suggested(trial, over)
            seen.add(candidate_key(params))
            study.tell(trial, [float(params["kernel_size"]), float(params["batch_size"])])
        assert len(seen) == 9
