"""What an experiment returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import nn

from cnnexp.settings import Settings
from cnnexp.training.events import EpochReport, Outcome


@dataclass(frozen=True, slots=True)
class TestResult:
    """The test part, evaluated once with the best weights.

    Attributes:
        labels: int64 (N,).
        probabilities: float32 (N, K).
        loss: mean cross-entropy.
        matrix: int64 (K, K); a row is a true class, a column a predicted one.
    """

    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    loss: float
    matrix: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "predicted", self.probabilities.argmax(axis=1))

    @property
    def num_correct(self) -> int:
        """Images whose class was found."""
        return int(np.trace(self.matrix))

    @property
    def accuracy(self) -> float:
        """Share of images whose class was found."""
        return self.num_correct / len(self.labels)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run.

    Attributes:
        outcome: how it ended, and why.
        metrics: `best/…`, `test/…` and the last epoch's values, as in MLflow.
        history: one report per epoch.
        settings: resolved; nothing is `auto`.
        class_names: by label.
        model: uint8 images (N, C, H, W) -> probabilities float32 (N, K); best weights, preprocessing inside,
            in evaluation mode on the CPU. None where no epoch was finished.
        run_id: of MLflow.
        run_name: as MLflow shows it.
        experiment_id: of MLflow.
        tracking_uri: of the store that holds the run.
        model_uri: of the logged model, for `mlflow.pytorch.load_model`; None where none was logged.
        test: every prediction of the test part; None where the run did not come so far.
    """

    outcome: Outcome
    metrics: Mapping[str, float]
    history: tuple[EpochReport, ...]
    settings: Settings
    class_names: tuple[str, ...]
    model: nn.Module | None
    run_id: str
    run_name: str
    experiment_id: str
    tracking_uri: str
    model_uri: str | None = None
    test: TestResult | None = None
