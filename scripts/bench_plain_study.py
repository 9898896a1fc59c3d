"""The plain way to tune, as tutorials write it; prints what it found as JSON.

An Optuna objective that loads its data in every trial through a `DataLoader`, with a nested MLflow run and
`log_model` per trial, and no pruning. The same search space, network, epochs and split sizes as ours.

Usage: bench_plain_study.py DATASET TRIALS EPOCHS SEED FRACTION
"""

from __future__ import annotations

import json
import sys
from typing import cast

import mlflow
import numpy as np
import optuna
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from cnnexp.data import load_dataset
from cnnexp.data.dataset import Part
from cnnexp.image_spec import ImageSpec
from cnnexp.models import build_model
from cnnexp.progress import silent
from cnnexp.settings import DataSettings

CLASSES = 10


class Images(Dataset[tuple[Tensor, int]]):
    """A PIL image at a time."""

    def __init__(self, part: Part) -> None:
        self._images = part.read(torch.arange(len(part)))[:, 0].numpy()
        self._labels = part.labels.tolist()
        self._transform = transforms.ToTensor()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return cast(Tensor, self._transform(Image.fromarray(self._images[row]))), self._labels[row]


def run_epoch(
    network: nn.Module, loader: DataLoader[tuple[Tensor, int]], optimizer: torch.optim.Optimizer
) -> None:
    """Trains an epoch; asks for the loss at every step."""
    network.train()
    for images, labels in loader:
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        optimizer.step()
        loss.item()


def accuracy(network: nn.Module, loader: DataLoader[tuple[Tensor, int]]) -> float:
    """Returns the share of images whose class is found."""
    network.eval()
    hits = count = 0
    with torch.no_grad():
        for images, labels in loader:
            hits += (network(images).argmax(dim=1) == labels).sum().item()
            count += len(labels)
    return hits / count


def objective(trial: optuna.Trial, dataset: str, epochs: int, fraction: float) -> float:
    """Loads, trains and logs; returns the best validation accuracy."""
    with mlflow.start_run(nested=True):
        found = load_dataset(DataSettings(dataset=dataset, fraction=fraction, cache=False), progress=silent)
        width = trial.suggest_categorical("width", [16, 32, 64])
        kernel_size = trial.suggest_categorical("kernel_size", [3, 5])
        batch_size = trial.suggest_categorical("batch_size", [16, 32, 64, 128, 256])
        lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        mlflow.log_params(trial.params)
        arguments = {"widths": [width, width], "kernel_size": kernel_size, "pool": True}
        network = build_model("convnet", ImageSpec(1, 28, 28, CLASSES), arguments)
        train, val = (
            DataLoader(Images(part), batch_size=batch_size, shuffle=shuffle, num_workers=2)
            for part, shuffle in ((found.train, True), (found.val, False))
        )
        optimizer, best = torch.optim.Adam(network.parameters(), lr=lr), 0.0
        for epoch in range(epochs):
            run_epoch(network, train, optimizer)
            value = accuracy(network, val)
            mlflow.log_metric("val/accuracy", value, step=epoch)
            best = max(best, value)
        example = np.zeros((2, 1, 28, 28), np.float32)
        mlflow.pytorch.log_model(network, name="model", input_example=example)
        return best


def main() -> None:
    """Runs the study."""
    dataset, trials, epochs, seed, fraction = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("plain")
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    with mlflow.start_run():
        study.optimize(lambda trial: objective(trial, dataset, epochs, fraction), n_trials=trials)
    print(json.dumps({"best": study.best_value, "trials": trials}))


if __name__ == "__main__":
    main()
