from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnnexp.tracking.logged_model import save_model
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store

NAMES = ("T-shirt", "Hose: weit", "Ärmel")
CONTENT = {"best/val_accuracy": 0.8729999661, "test/accuracy": 0.86}

LOAD_WITHOUT_US = """
import json, sys
sys.modules["cnnexp"] = None  # as if it were not installed
import warnings; warnings.simplefilter("ignore")
import mlflow, numpy as np, torch
tracking, uris, images, out = json.loads(sys.argv[1])
mlflow.set_tracking_uri(tracking)
images, answers = np.load(images), {}
for uri in uris:
    network, served = mlflow.pytorch.load_model(uri), mlflow.pyfunc.load_model(uri)
    assert served.metadata.metadata["class_names"] == ["T-shirt", "Hose: weit", "Ärmel"]
    for n in (1, 5):
        with torch.no_grad():
            answers[f"{uri} torch {n}"] = network(torch.from_numpy(images[:n])).numpy()
        answers[f"{uri} pyfunc {n}"] = served.predict(images[:n])
np.savez(out, **answers)
"""


class Classifier(nn.Module):
    """Preprocessing, convolution, batch norm, pooling; in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.Sigmoid(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        )
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return torch.softmax(self.net(images.float() / 255 - 0.5), dim=1)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (5, 3, 9, 8), dtype=np.uint8)


@pytest.fixture
def run(store: Store, experiment: str, problems: list[str]) -> Run:
    return store.create_run(experiment, on_problem=problems.append)


def log(run: Run, module: nn.Module, images: NDArray[np.uint8]) -> str | None:
    return run.log_model(
        module,
        name="model",
        example=images[:2],
        class_names=NAMES,
        params={"model": "convnet", "lr": 0.1},
        metrics=CONTENT,
        step=4,
        extra_metadata={"mean": [0.5]},
    )


def test_model_gives_our_predictions_where_we_are_not_installed(
    store: Store, run: Run, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    module = Classifier()
    uri = log(run, module, images)
    assert uri is not None
    np.save(tmp_path / "images.npy", images)
    uris = [uri, f"runs:/{run.id}/model"]
    task = json.dumps([store.uri, uris, str(tmp_path / "images.npy"), str(tmp_path / "answers.npz")])
    subprocess.run([sys.executable, "-c", LOAD_WITHOUT_US, task], check=True, timeout=120)
    answers = np.load(tmp_path / "answers.npz")
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    assert len(answers.files) == 8
    for name in answers.files:
        number = int(name.split()[-1])
        np.testing.assert_allclose(answers[name], expected[:number], rtol=1e-5, atol=1e-6, err_msg=name)


def test_model_is_shown_with_run_params_and_metrics(
    store: Store, run: Run, experiment: str, images: NDArray[np.uint8]
) -> None:
    uri = log(run, Classifier(), images)
    (model,) = store.client.search_logged_models([experiment])
    assert uri == f"models:/{model.model_id}"
    assert str(model.status).endswith("READY")
    assert model.source_run_id == run.id
    assert model.params == {"model": "convnet", "lr": "0.1"}
    assert {metric.key: metric.value for metric in model.metrics or []} == {
        "best/val_accuracy": 0.873,
        "test/accuracy": 0.86,
    }
    found = store.client.get_run(run.id).outputs
    assert found is not None
    outputs = found.model_outputs
    assert [(output.model_id, output.step) for output in outputs] == [(model.model_id, 4)]
    assert list(run.folder.iterdir()) == []  # the one copy is the model's own


def test_model_that_the_store_does_not_take_is_kept_and_delivered_later(
    store: Store,
    run: Run,
    experiment: str,
    images: NDArray[np.uint8],
    problems: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cnnexp.training.events import Outcome, Status

    def away(*_: object) -> None:
        raise OSError("disk went away")

    with monkeypatch.context() as patch:
        patch.setattr(store.client, "log_model_artifacts", away)
        assert log(run, Classifier(), images) is None
    assert len(problems) == 1
    assert list(run.folder.glob("unsent-model-*/data/model.pt2"))
    run.finish(Outcome(Status.COMPLETED, "4 epochs"))
    (model,) = store.client.search_logged_models([experiment])  # the one begun, not another
    assert str(model.status).endswith("READY")
    assert [file.name for file in run.folder.iterdir()] == []


def test_network_that_cannot_be_traced_costs_the_model_not_the_run(
    run: Run, images: NDArray[np.uint8], problems: list[str]
) -> None:
    class Untraceable(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images if float(images.float().mean()) > 3 else images.float()

    assert log(run, Untraceable(), images) is None
    assert len(problems) == 1
    assert "could not be saved" in problems[0]
    assert list(run.folder.iterdir()) == []


def test_model_says_what_it_takes_and_what_it_needs(images: NDArray[np.uint8], tmp_path: Path) -> None:
    from mlflow.models import Model

    save_model(Classifier(), tmp_path / "model", example=images, class_names=NAMES)
    model = Model.load(str(tmp_path / "model"))
    assert model.signature is not None
    assert str(model.signature.inputs) == "[Tensor('uint8', (-1, 3, 9, 8))]"
    assert str(model.signature.outputs) == "[Tensor('float32', (-1, 3))]"
    needed = (tmp_path / "model" / "requirements.txt").read_text(encoding="utf-8").split()
    assert [line.split("==")[0] for line in needed] == ["torch", "numpy", "mlflow"]
    assert not any("+" in line for line in needed)


def test_one_example_is_refused_because_it_would_fix_the_batch(
    images: NDArray[np.uint8], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="two images"):
        save_model(Classifier(), tmp_path / "model", example=images[:1], class_names=NAMES)
