from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support
from torch.nn import functional as F

from cnnexp.errors import UserError
from cnnexp.settings import ComputeSettings, OptimizationSettings
from cnnexp.training.compute import Compute, available_devices, find_compute
from cnnexp.training.metrics import accuracy_interval, class_report, confusion_matrix
from cnnexp.training.optimizers import OPTIMIZERS, unused_settings
from cnnexp.training.schedule import learning_rate
from cnnexp.training.step import Loss, Stepper, balanced_weights
from tests.unit.training.toy import ToyBatches, toy_stepper


def test_a_part_is_measured_per_image_not_per_batch() -> None:  # W2
    stepper = toy_stepper()
    whole = stepper.evaluate(ToyBatches(num_images=41, batch_size=41).epoch(1))
    short = stepper.evaluate(ToyBatches(num_images=41, batch_size=40).epoch(1))
    assert short.loss == pytest.approx(whole.loss, rel=1e-5)
    assert short.accuracy == whole.accuracy


def test_measuring_uses_running_statistics() -> None:  # W1
    stepper = toy_stepper()
    stepper.network.train()
    before = {key: value.clone() for key, value in stepper.network.state_dict().items()}
    one_by_one = stepper.evaluate(ToyBatches(batch_size=1).epoch(1))
    at_once = stepper.evaluate(ToyBatches(batch_size=40).epoch(1))
    assert one_by_one.loss == pytest.approx(at_once.loss, rel=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in stepper.network.state_dict().items())


@pytest.mark.parametrize("measure", [Stepper.evaluate, Stepper.predict])
def test_measuring_builds_no_graph(measure: Callable[..., object]) -> None:  # W9
    stepper, graphs = toy_stepper(), []

    def forward(images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = stepper.network(images)
        graphs.append(logits.requires_grad)
        return logits

    stepper.forward = forward
    measure(stepper, ToyBatches(num_images=16).epoch(1))
    assert graphs == [False, False]
    stepper.train_step(*next(ToyBatches().epoch(1)), lr=0.1, generator=torch.Generator())
    assert graphs[-1]  # the watch itself works


def test_gradients_are_clipped_to_the_given_norm() -> None:
    stepper, batch = toy_stepper(optimizer="sgd", momentum=0.0, clip_norm=0.001), next(ToyBatches().epoch(1))
    before = [parameter.detach().clone() for parameter in stepper.network.parameters()]
    stepper.train_step(*batch, lr=1.0, generator=torch.Generator())
    after = [parameter.detach() for parameter in stepper.network.parameters()]
    moved = math.sqrt(sum(float(((a - b) ** 2).sum()) for a, b in zip(after, before, strict=True)))
    assert moved == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_every_optimizer_learns_in_every_precision(precision: str, optimizer: str) -> None:
    compute = Compute(torch.device("cpu"), precision, torch.channels_last)
    lr = {"sgd": 0.05, "rmsprop": 0.001}.get(optimizer, 0.01)
    stepper, batches = toy_stepper(compute, optimizer=optimizer, lr=lr), ToyBatches()
    stepper.network.train()
    for epoch in range(8):
        for images, labels in batches.epoch(epoch):
            stepper.train_step(images, labels, lr, torch.Generator())
    assert stepper.evaluate(batches.epoch(0)).accuracy > 0.9


def test_class_weights_make_classes_count_the_same() -> None:
    weights = balanced_weights(torch.tensor([90, 10]))
    assert weights.tolist() == pytest.approx([100 / 180, 5.0])
    labels = torch.cat([torch.zeros(90), torch.ones(10)]).long()
    logits = torch.zeros(100, 2)
    logits[:, 0] = 2.0  # always the larger class
    by_class = [F.cross_entropy(logits[labels == one], labels[labels == one]) for one in (0, 1)]
    assert Loss(weights, 0.0)(logits, labels).item() == pytest.approx(float(sum(by_class)) / 2)


def test_per_class_figures_equal_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (200,), generator=generator).numpy()
    predicted = torch.randint(0, 3, (200,), generator=generator).numpy()  # class 3 is never predicted
    matrix = confusion_matrix(labels, predicted, 4)
    assert matrix[1, 2] == ((labels == 1) & (predicted == 2)).sum()  # rows are the truth
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, zero_division=0)
    ours = class_report(matrix)
    for mine, theirs in zip(
        (ours.precision, ours.recall, ours.f1, ours.support), (precision, recall, f1, support), strict=True
    ):
        assert mine.tolist() == pytest.approx(theirs.tolist())


@pytest.mark.parametrize(("correct", "images"), [(90, 100), (8677, 10_000), (0, 10), (10, 10), (1, 1)])
def test_the_interval_of_an_accuracy_is_wilsons(correct: int, images: int) -> None:
    theirs = binomtest(correct, images).proportion_ci(0.95, method="wilson")
    assert accuracy_interval(correct, images) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "one-cycle"])
def test_a_schedule_never_exceeds_the_given_rate(schedule: str) -> None:
    settings = OptimizationSettings.model_validate({"schedule": schedule, "lr": 0.1, "step_epochs": 2})
    rates = [learning_rate(step, settings, steps_per_epoch=10, num_steps=100) for step in range(100)]
    assert max(rates) == pytest.approx(0.1, rel=0.01)
    assert min(rates) > 0


def test_cosine_follows_torch() -> None:
    settings = OptimizationSettings(schedule="cosine", lr=0.1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    for step in range(50):
        ours = learning_rate(step, settings, steps_per_epoch=5, num_steps=50)
        assert ours == pytest.approx(reference.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        reference.step()


def test_one_cycle_follows_torch() -> None:
    settings = OptimizationSettings(schedule="one-cycle", lr=0.1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=100)
    for step in range(100):
        ours = learning_rate(step, settings, steps_per_epoch=10, num_steps=100)
        assert ours == pytest.approx(reference.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        if step < 99:
            reference.step()


def test_warm_up_rises_linearly_to_the_schedule() -> None:
    settings = OptimizationSettings(lr=1.0, warmup_epochs=2)
    rates = [learning_rate(step, settings, steps_per_epoch=2, num_steps=8) for step in range(6)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 1.0])


def test_what_an_optimizer_does_not_use_is_known() -> None:
    for optimizer in ("adam", "rmsprop"):
        assert "momentum" in unused_settings(OptimizationSettings(optimizer=optimizer))
    assert unused_settings(OptimizationSettings(optimizer="sgd", schedule="step")) == set()


def test_auto_takes_the_first_gpu_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:  # W7, W16
    for present, name in ((False, "cpu"), (True, "cuda:0")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        compute = find_compute(ComputeSettings())
        assert str(compute.device) == name  # what is logged, and printed at the start: never `auto`
        assert compute.layout == "channels-last"
        assert available_devices()[0] == name
    assert str(find_compute(ComputeSettings(device="cuda:1")).device) == "cuda:1"
    assert str(find_compute(ComputeSettings(device="cpu")).device) == "cpu"


def test_a_device_that_is_not_here_is_refused_with_what_is() -> None:  # W7
    with pytest.raises(UserError, match=r"'cuda:7' is not available here: .*cpu; use --device auto"):
        find_compute(ComputeSettings(device="cuda:7"))
    assert find_compute(ComputeSettings(device="cpu")).layout == "channels-last"
