from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cnnexp.errors import SettingsError, UnknownNameError, UserError
from cnnexp.experiment.listener import Listener
from cnnexp.published import find_experiment, schema, shipped
from cnnexp.published.answers import Ground, answer
from cnnexp.published.measured import Measured
from cnnexp.published.networks import count
from cnnexp.published.plan import Plan, make_plan
from cnnexp.published.read import read_experiment
from cnnexp.published.request import Request
from cnnexp.published.table import AS_COUNTED, table_of
from cnnexp.settings import ComputeSettings, Given, RaceSettings, Settings, resolve, resolve_as
from tests.unit.data.made import write_photos
from tests.unit.published.own import OWN, write_own


@pytest.mark.parametrize("name", ["s0", "s1", "s2", "s3", "s4"])
def test_every_count_of_a_shipped_file_is_the_networks_own(name: str) -> None:
    counted = [count(one) for one in read_experiment(shipped()[name]).experiment.networks]
    assert counted
    assert [one.network.name for one in counted if not one.agrees] == []


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("s0", set()),
        ("s1", {44_426, 61_706, 156, 2_416, 30_840, 10_164, 850, 0.00, 0.08, 0.17, 0.25}),
        ("s2", {6_442, 6_422, 62_006, 9_246_474, 9_231_114}),
        ("s3", {133e6, 138e6, 144e6}),
        ("s4", {652_426}),
    ],
)
def test_only_counts_that_an_original_printed_stand_as_published(name: str, printed: set[float]) -> None:
    file = read_experiment(shipped()[name])
    counted = [count(one) for one in file.experiment.networks]
    rows = table_of(Plan(file, Request(), {}, 1, None, {}), Measured({}), counted)
    assert {row.published for row in rows if row.published is not None} == printed
    ours = [row for row in rows if row.published is None]
    assert ours
    assert {row.cells()[2:3] + row.cells()[6:] for row in ours} == {("", "", AS_COUNTED, "")}
    assert all(row.source for row in rows if row.published is not None)


def test_the_answer_on_counts_says_which_were_published() -> None:
    networks = [count(one) for one in read_experiment(shipped()["s2"]).experiment.networks]
    asked = schema.Counts(kind="counts", networks=("mlp", "tutorial net", "VGG-16-BN for CIFAR"))
    wrong = networks[2].network.model_copy(update={"published": schema.PublishedCount(parameters=62_000)})
    known = {one.network.name: one for one in [*networks[:2], count(wrong), *networks[3:]]}
    ground = Ground(Measured({}), known, ComputeSettings())
    ((_, said),) = answer([schema.Question(ask="Size?", answers=(asked,))], ground)
    assert said == [
        "As published: mlp 6,442 parameters.",
        "Not as published: tutorial net 62,006 parameters.",
        "Counted here, none was published: VGG-16-BN for CIFAR 14,728,266 parameters.",
    ]


def test_a_wrong_count_differs() -> None:
    network = read_experiment(shipped()["s1"]).experiment.networks[0]
    wrong = schema.IndependentCount(macs=281_641)
    assert not count(network.model_copy(update={"counted": wrong})).agrees
    for printed in ({"parameters": 44_427}, {"layer_parameters": (157,)}):
        published = schema.PublishedCount.model_validate(printed)
        assert not count(network.model_copy(update={"published": published})).agrees


@pytest.mark.parametrize("name", ["s0", "s1", "s2", "s3", "s4"])
def test_all_settings_of_a_shipped_file_resolve_in_both_forms(name: str) -> None:
    file = read_experiment(shipped()[name])
    quick = file.experiment.quick
    for number, arm in enumerate(file.experiment.arms):
        full = [file.given("settings"), file.given("arms", number, "settings")]
        of_arm = file.given("quick", "arm_settings", arm.name) if arm.name in quick.arm_settings else {}
        of_arm.pop("train_images", None)
        assert isinstance(resolve(*full), Settings)
        assert isinstance(resolve(*full, file.given("quick", "settings"), of_arm), Settings)
    if file.experiment.race is not None:
        race = [file.given("settings"), file.given("race", "settings")]
        assert resolve_as(RaceSettings, *race, file.given("quick", "race_settings")).training.epochs == 2


def test_s1_is_the_exact_recipe() -> None:
    file = read_experiment(shipped()["s1"])
    settings = resolve(file.given("settings"), file.given("arms", 0, "settings"))
    data, optimization = settings.data, settings.optimization
    assert (data.split, data.val_fraction, data.shuffle, data.normalize) == ("contiguous", 0.2, False, "none")
    assert (optimization.batch_size, optimization.optimizer, optimization.lr) == (64, "adam", 0.001)
    assert (settings.training.epochs, settings.training.monitor) == (25, "val/accuracy")


def test_an_unknown_experiment_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown experiment 's11'; did you mean 's1'\? Known: s0"):
        find_experiment("s11")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seeds: 2", "seed: 2", r"seed \(own.yaml line 3\): is not known here; did you mean 'seeds'"),
        ("metric: mistaken", "metric: mistakn", r"line 14\): must be one of .*did you mean 'mistaken'"),
        ("arms: [conv, plain]", "arms: [conv, plan]", r"line 20\): is no arm .*did you mean 'plain'"),
        ("kind: counts", "kind: count", r"line 20\): must be one of .*did you mean 'counts'"),
        ("networks: [net]", "networks: [nett]", r"is no network of this file; did you mean 'net'"),
        ("name: conv,", "name: plain,", "arm = 'plain' .*is there twice"),
        ("data: digits, settings", "data: digit, settings", "is no data of this file"),
        ("title: Two nets on digits\n", "", r"title \(own.yaml line 1\): is missing"),
        ("seeds: 2", "seeds: [", "own.yaml line .*not valid YAML"),
        ("lr: 0.01", "lrr: 0.01", r"lrr \(own.yaml line 9\): is not a setting; did you mean 'lr'"),
        ("lr: 0.01", "lr: -1", r"lr = -1 \(own.yaml line 9\): must be more than 0"),
        ("model: convnet", "model: convnett", r"model \(own.yaml line 9\): .*did you mean 'convnet'"),
        ("lr: 0.01", "model_args: {kernel_sise: 5}", r"convnet's kernel_sise = 5 \(own.yaml line 9\)"),
        ("published: {parameters: 6442, source: the net}", "macs: 6416", r"0.macs .*11\): .*`counted`"),
        ("name: net, model: mlp", "name: net, model: mlq", r"\(own.yaml line 11\): unknown model 'mlq'"),
        ("first_of: [digits]", "first_of: [digts]", r"first_of \(own.yaml line 5\): .*did you mean 'digits'"),
        ("settings: {epochs: 1}", "settings: {epocs: 1}", r"epocs \(own.yaml line 27\): is not a setting"),
        ("lr: 0.01", "dataset: mnist", r"dataset = 'mnist' \(own.yaml line 9\): is not set here"),
        ("lr: 0.01", "lr: [1, 2]", r"lr = \[1, 2\] \(own.yaml line 9\): must be a number"),
        ("lr: 0.01", "model_args: {kernel_size: 31}", r"arm 'conv' \(own.yaml line 9\): convnet cannot take"),
        ('["1", "8"]', '["1", "9", "8"]', r"classes = '1, 9, 8' \(own.yaml line 14\): must be two"),
        ('["1", "8"]', '["1", "ten"]', r"classes \(own.yaml line 14\): digits, .* no class 'ten'; it has 0"),
    ],
)  # fmt: skip
def test_a_fault_of_a_file_is_told_with_its_line(old: str, new: str, sentence: str) -> None:
    assert old in OWN
    with pytest.raises(UserError, match=sentence) as caught:
        make_plan(read_experiment(Path(write_own(OWN.replace(old, new, 1)))), Request(), Listener())
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"seeds": 0}, "--seeds 0 must be at least 1"),
        ({"arms": ("plian",)}, "unknown arm 'plian'; did you mean 'plain'"),
        ({"datasets": ("digts=mnist",)}, "unknown data set of the experiment 'digts'; did you mean 'digits'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(request_: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_plan(read_experiment(Path(write_own())), Request(**request_), Listener())


def test_a_file_of_one_s_own_may_name_a_folder_of_photos() -> None:
    write_photos(Path("photos"), ("1", "8"), 12)
    own = write_own(OWN.replace("first_of: [digits]", "first_of: ['folder:photos']"))
    plan = make_plan(read_experiment(Path(own)), Request(), Listener())
    assert plan.arms["plain"].data.dataset == f"folder:{Path('photos').absolute()}"
    assert plan.is_comparable("plain")


def test_a_change_of_the_asked_form_is_not_laid_over_the_other_one() -> None:
    warm = {"warmup_epochs": Given(1, "--override")}  # as many as the reduced form has epochs
    plan = make_plan(read_experiment(Path(write_own())), Request(override=warm), Listener())
    assert plan.arms["plain"].optimization.warmup_epochs == 1


def test_photos_that_must_be_given_are_asked_for_with_the_way() -> None:
    with pytest.raises(
        UserError, match=r"s0 needs 1,358 colour photos .*: none ships .*Give .*--dataset folder:PATH"
    ):
        make_plan(read_experiment(shipped()["s0"]), Request(), Listener())


def test_of_two_data_sets_it_must_be_said_which_is_given() -> None:
    with pytest.raises(UserError, match="say which, such as --dataset cifar=digits"):
        make_plan(read_experiment(shipped()["s2"]), Request(datasets=("digits",)), Listener())


def test_more_seeds_are_the_same_experiment_and_another_setting_is_not() -> None:
    file = read_experiment(Path(write_own()))
    plan = make_plan(file, Request(), Listener())
    assert plan.digest() == make_plan(file, Request(seeds=5), Listener()).digest()
    changed = read_experiment(Path(write_own(OWN.replace("lr: 0.01", "lr: 0.02"))))
    assert plan.digest() != make_plan(changed, Request(), Listener()).digest()


def test_the_quick_form_takes_at_most_as_many_images_as_it_says() -> None:
    plan = make_plan(read_experiment(Path(write_own())), Request(quick=True), Listener())
    (settings,) = plan.arms.values()
    assert list(plan.arms) == ["plain"]
    assert settings.data.fraction == pytest.approx(100 / 1150, abs=0.002)


def test_faults_of_all_arms_are_told_together() -> None:
    text = OWN.replace("lr: 0.01", "lr: -1").replace("{model: mlp}", "{model: mlp, batch_size: 0}", 1)
    with pytest.raises(SettingsError, match="2 settings are wrong"):
        make_plan(read_experiment(Path(write_own(text))), Request(), Listener())
