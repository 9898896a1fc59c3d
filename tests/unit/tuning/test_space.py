from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.errors import SettingsError, UserError
from cnnexp.settings import Choice, IntRange
from cnnexp.tuning.declared import build_space
from cnnexp.tuning.ranges import values_of
from cnnexp.tuning.space import DEPTH, Dimension, Space, base_arguments, candidate_key
from tests.unit.tuning.plans import plan, settings, space


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (
            "convnet",
            [DEPTH, *(f"widths.{n}" for n in range(1, 5)), "kernel_size", "pool", "lr", "batch_size"],
        ),
        ("lenet", ["activation", "pooling", "dropout", "lr", "batch_size"]),
        ("mlp", [DEPTH, "hidden.1", "hidden.2", "hidden.3", "lr", "batch_size"]),
    ],
)
def test_without_a_word_a_model_searches_its_own_arguments_and_lr_and_batch_size(
    model: str, names: list[str]
) -> None:
    assert list(space(model=model).describe()) == names


def test_what_was_given_a_value_is_left_alone_by_the_default_space() -> None:
    fixed = frozenset({"lr", "widths", "model"})
    assert list(build_space({}, settings(), fixed).describe()) == ["kernel_size", "pool", "batch_size"]
    fixed = frozenset({"depth", "kernel_size"})
    assert DEPTH not in build_space({}, settings(), fixed).describe()


def test_a_name_alone_has_its_declared_range() -> None:
    assert space({"lr": None, "batch_size": ""}).describe() == {
        "lr": "0.0001..0.1:log",
        "batch_size": "16..256:log2",
    }


def test_options_may_be_written_with_dashes() -> None:
    assert list(space({"batch-size": "16,32", "weight-decay": None}).describe()) == [
        "batch_size",
        "weight_decay",
    ]


def test_all_faults_of_a_space_are_told_at_once_each_with_its_way_out() -> None:
    with pytest.raises(SettingsError) as caught:
        space(
            {"kernal_size": "3,5", "lr": "1..0", "epochs": None, "dataset": "a,b", "optimizer": "adam,lion"}
        )
    faults = {fault.setting: fault.rule for fault in caught.value.faults}
    assert list(faults) == ["kernal_size", "lr", "epochs", "dataset", "optimizer"]
    assert "did you mean 'kernel_size'?" in faults["kernal_size"]
    assert "low < high, not 1.0..0.0" in faults["lr"]
    assert "has no range of its own; give one, such as epochs=1..10" in faults["epochs"]
    assert "is the same for all trials of a study and cannot be searched" in faults["dataset"]
    assert "'lion' is not one of adam, adamw, sgd, rmsprop" in faults["optimizer"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"lr": "-1..1"}, "holds -1.0; lr must be"),
        ({"batch_size": "0,16"}, "holds 0; batch_size must be at least 1"),
        ({"kernel_size": "3..99"}, "holds 99; kernel_size must be at most 31"),
        ({"depth": "0..3"}, "holds 0; widths"),
        ({"depth": "1..99"}, "holds 99; widths"),
        ({"widths": "8,5000"}, "holds 5000; widths must be at most 4096"),
        ({"dropout": "0..1"}, "cannot be searched"),  # of lenet
    ],
)
def test_a_range_beyond_what_a_run_takes_is_refused(asked: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        space(asked)
    assert says in str(caught.value)


def test_widths_of_layers_that_a_candidate_does_not_have_fall_away() -> None:
    conv = space()
    full = conv.default(settings()) | {DEPTH: 2} | {f"widths.{n}": 16 * n for n in (1, 2, 4)}
    assert conv.active(full) == {name: full[name] for name in full if name not in ("widths.3", "widths.4")}


def test_a_candidate_becomes_settings_with_a_list_as_long_as_its_depth() -> None:
    plan_ = plan({"depth": "1..3", "widths": "8,16", "kernel_size": "3,5", "lr": None})
    params = {DEPTH: 3, "widths.1": 8, "widths.2": 16, "widths.3": 8, "kernel_size": 5, "lr": 0.02}
    made = plan_.settings_of(params, seed=7, threads=1)
    assert made.network.model_args == {"widths": [8, 16, 8], "kernel_size": 5}
    assert (made.optimization.lr, made.training.seed, made.compute.threads) == (0.02, 7, 1)


def test_depth_alone_repeats_the_last_width_and_widths_alone_keep_the_length() -> None:
    base = settings(model_args={"widths": (8, 24)})
    deep = plan({"depth": "1..4"}, base=base)
    assert deep.settings_of({DEPTH: 4}, seed=0).network.model_args["widths"] == [8, 24, 24, 24]
    assert deep.settings_of({DEPTH: 1}, seed=0).network.model_args["widths"] == [8]
    wide = plan({"widths": "8,16"}, base=base)
    assert list(wide.space.describe()) == ["widths.1", "widths.2"]
    params = {"widths.1": 16, "widths.2": 8}
    assert wide.settings_of(params, seed=0).network.model_args["widths"] == [16, 8]


def test_the_default_candidate_is_the_base_moved_to_the_nearest_legal_value() -> None:
    base = settings(lr=0.5, batch_size=40, model_args={"widths": (32, 100)})
    asked = {"depth": None, "widths": None, "lr": None, "batch_size": None}
    assert build_space(asked, base).default(base) == {
        DEPTH: 2,
        "widths.1": 32,
        "widths.2": 64,
        "lr": 0.1,
        "batch_size": 32,
    }


@pytest.mark.parametrize("model", ["convnet", "lenet", "mlp"])
def test_the_default_candidate_gives_the_default_settings(model: str) -> None:
    base = settings(model=model, model_args={"hidden": (8, 32)} if model == "mlp" else {})
    made = plan({"lr": None}, base=base, space=build_space({}, base))
    found = made.settings_of(made.space.default(base), seed=base.training.seed)
    assert found.optimization == base.optimization
    assert base_arguments(found) == base_arguments(base)


@st.composite
def conditional(draw: st.DrawFn) -> Space:
    """A discrete space, with or without a depth that others hang on."""
    values = st.lists(st.integers(0, 9), min_size=2, max_size=3, unique=True).map(lambda v: Choice(tuple(v)))
    deepest = draw(st.integers(2, 3))
    dimensions = []
    if draw(st.booleans()):
        dimensions.append(Dimension(DEPTH, IntRange(draw(st.integers(1, deepest - 1)), deepest), True))
    if draw(st.booleans()):
        item = draw(values)
        dimensions += [Dimension(f"w.{n}", item, True, place=n) for n in range(1, deepest + 1)]
    dimensions += [Dimension(name, draw(values), False) for name in ("a", "b")]
    return Space(tuple(dimensions), "w")


@given(conditional())
def test_the_cells_of_a_space_are_all_its_candidates_each_once(one: Space) -> None:
    names = [dimension.name for dimension in one.dimensions]
    values = [values_of(dimension.range) or () for dimension in one.dimensions]
    every = {candidate_key(one.active(dict(zip(names, v, strict=True)))) for v in itertools.product(*values)}
    cells = [candidate_key(cell) for cell in one.cells()]
    assert len(cells) == len(set(cells)) == one.num_cells()
    assert set(cells) == every
    assert all(one.active(cell) == cell for cell in one.cells())


def test_a_deep_space_is_counted_without_walking_through_it() -> None:
    assert space({"depth": "1..30", "widths": "1..64"}).num_cells() == sum(64**n for n in range(1, 31))


def test_a_continuous_dimension_has_no_cells() -> None:
    one = space({"lr": None, "kernel_size": "3,5"})
    assert one.num_cells() == math.inf
    with pytest.raises(
        UserError, match=r"lr=0\.0001\.\.0\.1:log is continuous, and a grid needs single values"
    ):
        next(one.cells())


@given(st.permutations(["a", "b", "c"]))
def test_candidates_are_the_same_whatever_the_order_of_their_parameters(names: list[str]) -> None:
    ordered = {"a": "aa", "b": "bb", "c": "cc"}
    assert candidate_key({name: ordered[name] for name in names}) == candidate_key(ordered)
    assert candidate_key(dict.fromkeys(names, 1)) != candidate_key(dict.fromkeys(names, 2))
