from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.cli import cli
from cnnexp.cli.options import given_settings
from cnnexp.cli.train import train
from cnnexp.experiment import result as results
from cnnexp.settings import Settings, resolve
from cnnexp.training.optimizers import unused_settings
from cnnexp.tuning.finish import command_of, difference_interval
from tests.unit.tuning.plans import plan, settings


def found(right: list[bool]) -> results.TestResult:
    """A test on which these images are classified right."""
    classes = np.eye(2, dtype=np.float32)[[0 if one else 1 for one in right]]
    correct = sum(right)
    matrix = np.array([[correct, len(right) - correct], [0, 0]])
    return results.TestResult(np.zeros(len(right), dtype=np.int64), classes, 0.5, matrix)


def test_the_interval_of_a_difference_is_that_of_the_hand_calculation() -> None:
    """Agresti's example of approval ratings: b = 150, c = 86, n = 1600.

    d = 64/1600 = 0.04; variance = (236 − 64²/1600) / 1600² = 233.44 / 2,560,000; standard error 0.009549.
    """
    first = [True] * (794 + 150) + [False] * (86 + 570)
    second = [True] * 794 + [False] * 150 + [True] * 86 + [False] * 570
    difference, low, high = difference_interval(found(first), found(second))
    assert difference == 0.04
    assert low == pytest.approx(0.04 - 1.96 * 0.0095493, abs=1e-6)
    assert high == pytest.approx(0.04 + 1.96 * 0.0095493, abs=1e-6)


def test_equal_findings_differ_by_nothing() -> None:
    same = [True, False, True]
    assert difference_interval(found(same), found(same)) == (0.0, 0.0, 0.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_the_interval_holds_the_difference_and_turns_with_the_order(pairs: list[tuple[bool, bool]]) -> None:
    first, second = found([one for one, _ in pairs]), found([other for _, other in pairs])
    difference, low, high = difference_interval(first, second)
    assert difference == pytest.approx(first.accuracy - second.accuracy)
    assert low <= difference <= high
    turned = difference_interval(second, first)
    assert turned == pytest.approx((-difference, -high, -low))
    assert math.isfinite(low + high)


def settings_of(command: str) -> Settings:
    """What the printed command trains with."""
    program, *arguments = shlex.split(command)
    assert program == "cnnexp"
    with cli.make_context(program, arguments) as group:
        _, found, rest = cli.resolve_command(group, arguments)
        assert found is train
        with train.make_context("train", rest, parent=group) as context:
            return resolve(given_settings(context))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"lr": 0.006250537957520725, "batch_size": 64, "epochs": 7},
        {"model_args": {"widths": (64, 32, 16), "kernel_size": 7, "pool": True}},
        {"model": "lenet", "model_args": {"activation": "relu", "dropout": 0.25}},
        {"dataset": "folder:my photos/of 'cats'", "image_size": (48, 64), "augment": "crop-flip"},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "schedule": "cosine", "warmup_epochs": 0.5},
        {"shuffle": False, "log_model": False, "figures": "none", "patience": 3, "monitor": "val/loss"},
        {"tags": {"team": "a b", "x": "1=2"}, "plugin": ("my models.py",), "run_name": "two words"},
        {"fraction": 0.2, "clip_norm": 1.0, "label_smoothing": 0.1, "class_weights": "balanced"},
        {"max_time": 90, "seed": 3, "image_size": 32, "precision": "bf16"},
    ],
    ids=lambda changed: ",".join(changed) or "defaults",
)
def test_the_printed_command_gives_the_very_settings_again(changed: dict[str, Any]) -> None:
    wanted = settings(**changed)
    assert settings_of(command_of(wanted)).flat() == wanted.flat()


def test_the_command_of_every_candidate_gives_its_settings(tmp_path: Path) -> None:
    base = settings(epochs=3, data_dir=str(tmp_path))
    asked = {"depth": None, "widths": None, "pool": None, "lr": None, "optimizer": None, "momentum": None}
    one = plan(asked, base=base)
    for params in one.space.sampled(20, seed=0):
        wanted = one.settings_of(params, seed=11)
        found = settings_of(command_of(wanted))
        unused = unused_settings(wanted.optimization)
        assert ("momentum" in unused) == (wanted.optimization.optimizer != "sgd")
        differing = {name for name, value in wanted.flat().items() if found.flat()[name] != value}
        assert differing <= unused  # `train` refuses what has no effect
