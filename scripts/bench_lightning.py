"""The job of `cnnexp train` as PyTorch Lightning's users write it: the other side of the process benchmark.

LeNet on Fashion-MNIST through a DataLoader with two workers, MLFlowLogger on a sqlite store in the working
folder, the best weights by ModelCheckpoint, one test with them, a confusion matrix as a figure, the best
model logged.
It needs the extra `bench` and imports nothing of cnnexp.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import lightning
import mlflow.pytorch
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Subset, random_split
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor

WORKERS = 2
NUM_CLASSES = 10


class LitLeNet(lightning.LightningModule):  # type: ignore[misc, unused-ignore]  # Any where it is absent
    """LeNet with sigmoid and max pooling, 44,426 parameters, and its metrics."""

    def __init__(self, lr: float) -> None:  # noqa: ARG002 - read by save_hyperparameters
        super().__init__()
        self.save_hyperparameters()
        self.network = nn.Sequential(
            *(nn.Conv2d(1, 6, 5), nn.Sigmoid(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.MaxPool2d(2), nn.Flatten()),
            *(
                nn.Linear(256, 120),
                nn.Sigmoid(),
                nn.Linear(120, 84),
                nn.Sigmoid(),
                nn.Linear(84, NUM_CLASSES),
            ),
        )
        self.predicted: list[Tensor] = []
        self.labels: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits (N, 10)."""
        logits: Tensor = self.network(images)
        return logits

    def _step(self, batch: tuple[Tensor, Tensor], part: str) -> tuple[Tensor, Tensor]:
        images, labels = batch
        logits = self(images)
        loss = F.cross_entropy(logits, labels)
        accuracy = (logits.argmax(dim=1) == labels).float().mean()
        values = {f"{part}/loss": loss, f"{part}/accuracy": accuracy}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss, logits

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Returns the loss of a batch."""
        return self._step(batch, "train")[0]

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Measures a batch."""
        self._step(batch, "val")

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Measures a batch and keeps its predictions."""
        _, logits = self._step(batch, "test")
        self.predicted.append(logits.argmax(dim=1))
        self.labels.append(batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])


def loaders(data_dir: Path, fraction: float, batch_size: int) -> tuple[DataLoader[Any], ...]:
    """Returns train, validation and test loaders over torchvision's data set."""
    whole, test = (FashionMNIST(data_dir, train=train, transform=ToTensor()) for train in (True, False))
    train, val = random_split(whole, [0.8, 0.2], generator=torch.Generator().manual_seed(0))
    parts: list[Dataset[Any]] = [Subset(p, range(round(fraction * len(p)))) for p in (train, val, test)]
    return tuple(
        DataLoader(
            part,
            batch_size=batch_size,
            shuffle=part is parts[0],
            num_workers=WORKERS,
            persistent_workers=True,
        )
        for part in parts
    )


def confusion_figure(labels: Tensor, predicted: Tensor) -> Figure:
    """Draws counts, a row per true class."""
    pairs = labels * NUM_CLASSES + predicted
    matrix = np.bincount(pairs.numpy(), minlength=NUM_CLASSES**2).reshape(NUM_CLASSES, NUM_CLASSES)
    figure = Figure(figsize=(8, 7))
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Blues")
    for row, column in np.ndindex(*matrix.shape):
        axes.text(column, row, str(matrix[row, column]), ha="center", va="center")
    return figure


def main() -> None:
    """Trains, tests, records."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True, help="holds FashionMNIST/raw, unpacked")
    parser.add_argument("--fraction", type=float, default=1.0)
    options = parser.parse_args()
    lightning.seed_everything(0)
    train, val, test = loaders(options.data_dir, options.fraction, batch_size=64)
    logger = MLFlowLogger(experiment_name="lightning", tracking_uri="sqlite:///mlflow.db")
    best = ModelCheckpoint(dirpath="checkpoints", monitor="val/accuracy", mode="max")
    trainer = lightning.Trainer(
        max_epochs=options.epochs,
        accelerator="cpu",
        logger=logger,
        callbacks=[best],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = LitLeNet(lr=0.001)
    trainer.fit(model, train, val)
    trainer.test(model, test, ckpt_path="best")
    figure = confusion_figure(torch.cat(model.labels), torch.cat(model.predicted))
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    with mlflow.start_run(run_id=logger.run_id):
        mlflow.log_figure(figure, "confusion_matrix.png")
        network = LitLeNet.load_from_checkpoint(best.best_model_path).network.cpu()
        mlflow.pytorch.log_model(network, name="model", input_example=torch.zeros(2, 1, 28, 28).numpy())


if __name__ == "__main__":
    main()
