from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cnnexp.data.dataset import ImageDataset, MemorySource, Part
from cnnexp.experiment.assemble import Assembly
from cnnexp.image_spec import ImageSpec
from cnnexp.settings import Given, Settings, resolve
from cnnexp.training.compute import find_compute

OF_SPLIT = {"split", "split_seed", "val_fraction", "test_fraction"}
OF_STREAM = {"workers", "memory_budget"}
NOTHING = nn.Identity()


def params(
    cut: tuple[str, ...] = (), *, resident: bool = True, network: nn.Module = NOTHING, **settings: object
) -> dict[str, Any]:
    """What is logged of a run on a set of which `cut` had to be cut."""
    source = MemorySource(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]), resident)
    part = Part(source, torch.arange(4))
    spec = ImageSpec(1, 8, 8, 2)
    dataset = ImageDataset(
        "made", "here", ("a", "b"), spec, part, part, part, mean=(0.0,), std=(1.0,), digest="", cut=cut
    )
    resolved: Settings = resolve({name: Given(value, "test") for name, value in settings.items()})
    return Assembly(
        settings=resolved,
        asked=resolved,
        dataset=dataset,
        network=network,
        torch_network=network,
        normalize=nn.Identity(),
        compute=find_compute(resolved.compute),
    ).params()


@pytest.mark.parametrize(
    ("cut", "settings", "shown"),
    [
        (("val", "test"), {}, OF_SPLIT),
        (("val",), {}, OF_SPLIT - {"test_fraction"}),
        (("test",), {}, OF_SPLIT - {"val_fraction"}),
        ((), {}, set()),
        ((), {"fraction": 0.5}, {"split", "split_seed"}),  # that share is drawn, too
        (("val",), {"split": "contiguous"}, {"split", "val_fraction"}),
    ],
)
def test_settings_of_the_split_are_logged_where_something_was_cut(
    cut: tuple[str, ...], settings: dict[str, Any], shown: set[str]
) -> None:
    assert OF_SPLIT & params(cut, **settings).keys() == shown


@pytest.mark.parametrize(("resident", "shown"), [(True, set()), (False, OF_STREAM)])
def test_settings_of_streaming_are_logged_where_images_streamed(resident: bool, shown: set[str]) -> None:
    assert OF_STREAM & params(resident=resident).keys() == shown


def test_what_changes_no_result_is_not_logged() -> None:
    logged = params(cache=False, data_dir="there", tracking_uri="sqlite:///mlflow.db")
    assert not {"cache", "data_dir", "tracking_uri"} & logged.keys()
    assert {"model", "fraction", "epochs", "num_train"} <= logged.keys()


def test_the_algorithm_of_convolutions_is_logged_where_there_are_any() -> None:
    assert params(network=nn.Sequential(nn.Conv2d(1, 2, 3)), conv="im2col")["conv"] == "im2col"
    assert "conv" not in params(network=nn.Linear(2, 2), conv="im2col")
