"""A finished model on other images, or on another part of its own: measured, drawn, recorded as a run.

The evaluated run stays as it is. Every look at images is a run of its own and says how many there were
before it: what is looked at often and chosen by is no test any more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnexp.data.batches import Batches
from cnnexp.data.dataset import Part
from cnnexp.experiment.assemble import EVALUATION_PIXELS
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.result import TestResult
from cnnexp.experiment.run import closed_truthfully
from cnnexp.results.calibration import (
    Reliability,
    Temperature,
    cross_entropy,
    fit_temperature,
    probabilities_of,
    reliability,
)
from cnnexp.results.evaluation_record import open_evaluation, record_evaluation, record_inputs
from cnnexp.results.looks import EVALUATES, KIND, looks_before
from cnnexp.results.rebuild import Rebuilt, rebuild
from cnnexp.results.recorded import Recorded, find_recorded
from cnnexp.results.subject import PartName, Subject, find_subject, load_own
from cnnexp.tracking.model_uri import logged_model
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import open_store
from cnnexp.training.compute import Compute, find_compute
from cnnexp.training.events import Outcome, Status
from cnnexp.training.metrics import accuracy_interval, class_report, confusion_matrix

__all__ = ["EVALUATES", "KIND", "Calibrated", "Evaluation", "evaluate"]
_TOP = 5  # of more classes than that, how often the right one is among the first five
Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a temperature, fitted on the run's own validation part, changes.

    Attributes:
        temperature: what logits are divided by.
        val: reliability of the validation part, before and after.
        after: reliability of the evaluated images under it.
        loss: mean cross-entropy of the evaluated images under it.
    """

    temperature: Temperature
    val: tuple[Reliability, Reliability]
    after: Reliability
    loss: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a finished model said of some images.

    Attributes:
        run: of the evaluation itself; ended.
        recorded: the run whose model it is.
        rebuilt: that model.
        subject: which images.
        found: labels and probabilities of every image.
        metrics: `eval/...`, and `calibration/...` where that was asked for.
        reliability: confidence against accuracy, as the model says it.
        calibrated: None unless it was asked for.
        notes: sentences that belong to the figures.
    """

    run: Run
    recorded: Recorded
    rebuilt: Rebuilt
    subject: Subject
    found: TestResult
    metrics: dict[str, float]
    reliability: Reliability
    calibrated: Calibrated | None
    notes: tuple[str, ...]

    @property
    def run_id(self) -> str:
        """Of the evaluation."""
        return self.run.id

    @property
    def run_name(self) -> str:
        """Of the evaluation."""
        return self.run.name


def evaluate(
    run: str,
    *,
    dataset: str | None = None,
    part: PartName | None = None,
    data_dir: str | None = None,
    calibrate: bool = False,
    device: str = "auto",
    tracking_uri: str | None = None,
    listener: Listener | None = None,
) -> Evaluation:
    """Evaluates the model of a finished run on some images, and records that as a run of its own.

    Args:
        run: id, unique start of one, name, `last`, `best`, or the URI of a model of the run.
        dataset: a registered set or `folder:PATH`; None for the run's own. Images are read in the model's
            shape and colour; classes are matched by name.
        part: `train`, `val`, `test` or `all`; None: the test part where the set has one, else all.
        data_dir: folder where data sets lie.
        calibrate: fit a temperature on the run's own validation part, and say what it changes.
        device: where to compute.
        tracking_uri: the store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.
        listener: hears of progress and notes.

    Raises:
        UserError: no such run, a run without a model, classes that the model does not know, data that are
            gone or have changed; no run is opened.
    """
    listener = listener or Listener()
    recorded = find_recorded(open_store(tracking_uri, make=False), run)
    compute = find_compute(recorded.settings.compute.model_copy(update={"device": device}))
    rebuilt = rebuild(recorded)
    subject = find_subject(
        recorded, rebuilt, dataset=dataset, part=part, data_dir=data_dir, progress=listener.progress
    )
    own_val = load_own(recorded, data_dir, listener.progress).val if calibrate else None
    model_id = recorded.model_id or logged_model(recorded.store.client, recorded.run_id)
    looks = _looks_before(recorded, subject)
    notes = _said((*subject.notes, *_look_note(subject, looks)), listener)
    opened = open_evaluation(recorded, subject, looks=looks + 1, on_problem=listener.note)
    with closed_truthfully(opened):
        record_inputs(opened, subject, model_id)
        found, bins, calibrated = _measure(_Predictor(recorded, rebuilt, compute), subject.part, own_val)
        evaluation = Evaluation(
            run=opened,
            recorded=recorded,
            rebuilt=rebuilt,
            subject=subject,
            found=found,
            metrics=_metrics(found, bins, calibrated),
            reliability=bins,
            calibrated=calibrated,
            notes=notes,
        )
        record_evaluation(opened, evaluation)
        opened.finish(Outcome(Status.COMPLETED, f"{len(subject.part):,} images are evaluated"))
    return evaluation


class _Predictor:
    """Part -> logits float32 (N, K) and labels int64 (N,), computed as the run computed its own test part."""

    def __init__(self, recorded: Recorded, rebuilt: Rebuilt, compute: Compute) -> None:
        pixels = rebuilt.spec.height * rebuilt.spec.width
        self._batch_size = max(recorded.settings.optimization.batch_size, EVALUATION_PIXELS // pixels)
        self._workers = recorded.settings.data.workers
        self._compute = compute
        self._network = rebuilt.network.to(compute.device, memory_format=compute.memory_format)  # type: ignore[call-overload]  # torch types the two apart
        self._normalize = rebuilt.normalize.to(compute.device)

    def __call__(self, part: Part) -> tuple[Floats, Labels]:
        import torch

        compute = self._compute
        batches = Batches(
            part,
            batch_size=self._batch_size,
            device=compute.device,
            shuffle=False,
            seed=0,
            workers=self._workers,
            memory_format=compute.memory_format,
        )
        logits, labels = [], []
        try:
            with torch.inference_mode():
                for images, of_batch in batches.epoch(0):
                    with compute.autocast():
                        logits.append(self._network(self._normalize(images)).float().cpu())
                    labels.append(of_batch.cpu())
        finally:
            batches.close()
        return torch.cat(logits).numpy(), torch.cat(labels).numpy()


def _measure(
    predict: _Predictor, part: Part, own_val: Part | None
) -> tuple[TestResult, Reliability, Calibrated | None]:
    logits, labels = predict(part)
    probabilities = probabilities_of(logits)
    matrix = confusion_matrix(labels, logits.argmax(axis=1), logits.shape[1])
    found = TestResult(labels, probabilities.astype(np.float32), cross_entropy(logits, labels), matrix)
    bins = reliability(probabilities, labels)
    if own_val is None:
        return found, bins, None
    of_val, val_labels = predict(own_val)
    temperature = fit_temperature(of_val, val_labels)
    calibrated = Calibrated(
        temperature=temperature,
        val=(
            reliability(probabilities_of(of_val), val_labels),
            reliability(probabilities_of(of_val, temperature.value), val_labels),
        ),
        after=reliability(probabilities_of(logits, temperature.value), labels),
        loss=cross_entropy(logits / temperature.value, labels),
    )
    return found, bins, calibrated


def _metrics(found: TestResult, bins: Reliability, calibrated: Calibrated | None) -> dict[str, float]:
    low, high = accuracy_interval(found.num_correct, len(found.labels))
    of_class = class_report(found.matrix)
    metrics = {
        "eval/accuracy": found.accuracy,
        "eval/accuracy_low": low,
        "eval/accuracy_high": high,
        "eval/loss": found.loss,
        "eval/macro_f1": float(of_class.f1[of_class.support > 0].mean()),  # of classes that have images
        "eval/ece": bins.error,
    }
    if found.probabilities.shape[1] > _TOP:
        first = np.argpartition(-found.probabilities, _TOP - 1, axis=1)[:, :_TOP]
        metrics["eval/top5_accuracy"] = float((first == found.labels[:, None]).any(axis=1).mean())
    if calibrated is not None:
        metrics |= {
            "calibration/temperature": calibrated.temperature.value,
            "calibration/val_ece": calibrated.val[0].error,
            "calibration/val_ece_scaled": calibrated.val[1].error,
            "eval/ece_scaled": calibrated.after.error,
            "eval/loss_scaled": calibrated.loss,
        }
    return metrics


def _said(notes: tuple[str, ...], listener: Listener) -> tuple[str, ...]:
    for note in notes:
        listener.note(note)
    return notes


def _looks_before(recorded: Recorded, subject: Subject) -> int:
    return looks_before(recorded, digest=subject.digest, part=subject.part_name, is_own=subject.is_own)


def _look_note(subject: Subject, before: int) -> list[str]:
    if not before:
        return []
    if subject.is_tested:
        return [
            f"This is the run's own test part, looked at before: look number {before + 1}. What is chosen by "
            "it now is not tested any more."
        ]
    return [f"These images were shown to this model before: look number {before + 1}."]
