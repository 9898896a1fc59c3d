"""The setting `conv`: another way to the same training."""

from __future__ import annotations

from typing import Any

import mlflow
import pytest
import torch
from mlflow import MlflowClient

import cnnexp
from cnnexp.errors import UserError
from tests.e2e.runs import artifacts, curve, runs_of

pytestmark = pytest.mark.usefixtures("ready_store")

# SGD: Adam makes full steps of the rounding noise that is the gradient of a bias before batch norm.
SMALL: dict[str, Any] = {
    "model": "convnet",
    "model_args": {"widths": [4, 4], "pool": True},
    "image_size": 16,
    "fraction": 0.3,
    "epochs": 2,
    "optimizer": "sgd",
    "figures": "none",
}


def test_a_run_by_hand_is_the_run_of_torch_to_rounding_and_its_model_is_logged(client: MlflowClient) -> None:
    of_torch = cnnexp.train(**SMALL, log_model=False)
    by_hand = cnnexp.train(**SMALL, conv="auto")
    expected, found = (torch.tensor(curve(one)) for one in (of_torch, by_hand))
    torch.testing.assert_close(found[:, 0], expected[:, 0], rtol=1e-4, atol=0)  # training loss
    torch.testing.assert_close(found[:, 2], expected[:, 2], rtol=1e-4, atol=0)  # validation loss
    runs = [client.get_run(one.run_id) for one in (of_torch, by_hand)]
    assert [run.data.params["conv"] for run in runs] == ["torch", "auto"]
    assert runs[0].data.params["macs"] == runs[1].data.params["macs"]
    chosen = (artifacts(runs[1]) / "network" / "convolutions.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in chosen] == ["conv1", "conv2"]
    assert by_hand.model_uri is not None
    mlflow.set_tracking_uri(by_hand.tracking_uri)
    images = torch.randint(0, 256, (3, 1, 16, 16), dtype=torch.uint8)
    assert by_hand.model is not None
    with torch.inference_mode():
        torch.testing.assert_close(
            mlflow.pytorch.load_model(by_hand.model_uri)(images), by_hand.model(images)
        )


def test_a_run_by_hand_goes_on_by_hand(client: MlflowClient) -> None:
    quick = {**SMALL, "log_model": False}
    whole = cnnexp.train(**quick, conv="im2col")
    first = cnnexp.train(**{**quick, "epochs": 1}, conv="im2col")
    again = cnnexp.train(resume=first.run_id, epochs=2)
    assert curve(again) == curve(whole)
    assert client.get_run(again.run_id).data.params["conv"] == "im2col"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"conv": "nonsense"}, "conv = 'nonsense' .*must be one of torch, loop, im2col"),
        ({"conv": "imcol"}, "did you mean 'im2col'"),
        ({"conv": "winograd", "model": "lenet"}, "layer conv1: winograd computes 3×3 kernels .*5×5"),
        ({"conv": "winograd", "model": "resnet18"}, "layer conv1: winograd .*stride 2"),
    ],
)
def test_what_an_algorithm_cannot_do_is_refused_before_a_run_is_opened(
    client: MlflowClient, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        cnnexp.train(**settings)
    assert not runs_of(client)


def test_algorithms_vary_in_a_sweep() -> None:
    quick = {**SMALL, "epochs": 1, "jobs": 1, "log_model": False}
    result = cnnexp.sweep(vary={"conv": "torch,im2col"}, **quick)
    accuracies = {str(cell.params["conv"]): cell.accuracies[0] for cell in result.cells}
    assert accuracies.keys() == {"torch", "im2col"}
    assert accuracies["torch"] == pytest.approx(accuracies["im2col"], abs=0.02)
