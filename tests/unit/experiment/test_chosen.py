"""What counts as chosen of a run's settings."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cnnexp.experiment.chosen import chosen_settings, chosen_text
from cnnexp.settings import ComputeSettings, Given, Settings, resolve
from cnnexp.training.compute import find_compute


def settings_of(**settings: object) -> Settings:
    return resolve({name: Given(value, "test") for name, value in settings.items()})


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({}, {}),
        ({"model": "lenet", "epochs": 30}, {}),
        ({"epochs": 2, "image_size": 32}, {"epochs": 2, "image_size": 32}),
        ({"model": "mlp", "model_args": {"hidden": [8, 8]}}, {"model": "mlp"}),
        ({"model": "mlp", "model_args": {"hidden": [9]}}, {"model": "mlp", "model_args": {"hidden": [9]}}),
        ({"normalize": "dataset"}, {}),
        ({"normalize": "half"}, {"normalize": "half"}),
    ],
)
def test_only_what_differs_from_what_a_default_comes_to_is_chosen(
    asked: dict[str, object], chosen: dict[str, Any]
) -> None:
    assert chosen_settings(settings_of(**asked)) == chosen


def test_the_device_that_auto_takes_is_no_choice() -> None:
    here = find_compute(ComputeSettings())
    other = {"channels-last": "contiguous", "contiguous": "channels-last"}[here.layout]
    asked = settings_of(device=str(here.device), memory_format=here.layout)
    assert chosen_settings(asked) == {}
    assert chosen_settings(asked.replace(memory_format=other)) == {"memory_format": other}


def test_what_was_chosen_is_a_settings_file_without_passwords() -> None:
    text = chosen_text(settings_of(lr=0.5, tracking_uri="http://me:secret@server:5000"))
    assert "secret" not in text
    assert yaml.safe_load(text)["lr"] == 0.5
    assert yaml.safe_load(chosen_text(settings_of())) is None
