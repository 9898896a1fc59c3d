"""How long an experiment will take here: a few steps of each arm, measured and multiplied."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from cnnexp.convolution import ALGORITHMS
from cnnexp.experiment.assemble import Assembly, assemble, batches, build_stepper
from cnnexp.experiment.children import Child
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.race_time import loop_training_seconds
from cnnexp.experiment.trial import LoadedSets
from cnnexp.published.plan import Plan
from cnnexp.settings import Settings
from cnnexp.training.compute import Compute
from cnnexp.training.step import Stepper

LONG_SECONDS = 2 * 3600.0  # longer must be meant
_FIRST = 8  # images of the first step, which is slower
_FAST, _LONGEST = 1.0, 20.0  # seconds a whole step may take to be measured three times, and once
_STEPS = 3


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds of an arm.

    Attributes:
        arm: or `race`.
        runs: still to be trained.
        seconds: of one of them.
    """

    arm: str
    runs: int
    seconds: float


def forecast(plan: Plan, children: Sequence[Child], *, with_race: bool, listener: Listener) -> list[Forecast]:
    """Measures a few steps of every arm that is still to be trained.

    Raises:
        UserError: an arm cannot work as asked.
    """
    sets = LoadedSets()
    runs = Counter(child.key.rpartition(", seed ")[0] for child in children)
    found = []
    if with_race and plan.race is not None:
        found.append(Forecast("race", 1, _race_seconds(plan, sets)))
    for arm, number in runs.items():
        listener.progress("measuring", len(found), len(runs))
        found.append(Forecast(arm, number, _seconds(plan.arms[arm], sets)))
    return found


def _race_seconds(plan: Plan, sets: LoadedSets) -> float:
    assert plan.race is not None
    assert plan.file.experiment.race is not None
    algorithms = plan.file.experiment.race.algorithms
    torch_seconds = _seconds(plan.race, sets)
    others = len([one for one in algorithms if one in ALGORITHMS and one != "loop"])
    seconds = torch_seconds * (2 + 2 * others)  # torch twice; ours take up to twice as long
    if "loop" in algorithms:
        seconds += loop_training_seconds(assemble(plan.race, Listener(), load=sets.load))
    return seconds


def _seconds(settings: Settings, sets: LoadedSets) -> float:
    assembly = assemble(settings, Listener(), load=sets.load)
    part = batches(assembly, "train")
    try:
        images, labels = next(iter(part.epoch(0)))
    finally:
        part.close()
    stepper, lr = build_stepper(assembly), settings.optimization.lr
    per_image = _training_seconds(stepper, images, labels, lr)
    forward = _inference_seconds(stepper, images, labels, assembly.compute)
    sizes = {name: len(getattr(assembly.dataset, name)) for name in ("train", "val", "test")}
    epoch = sizes["train"] * per_image + sizes["val"] * forward
    return _epochs(assembly) * epoch + sizes["test"] * forward


def _epochs(assembly: Assembly) -> int:
    return assembly.settings.training.epochs


def _training_seconds(stepper: Stepper, images: Tensor, labels: Tensor, lr: float) -> float:
    """Returns the seconds of a training step, per image."""
    stepper.network.train()
    generator = Generator().manual_seed(0)
    few = min(len(images), _FIRST)
    _timed_step(stepper, images[:few], labels[:few], lr, generator)  # the first is slower
    again = [_timed_step(stepper, images[:few], labels[:few], lr, generator) for _ in range(2)]
    small = min(again) / few  # other work beside it only makes a step longer
    if small * len(images) > _LONGEST:  # rather too long: a step also costs something beside its images
        return small
    count = _STEPS if small * len(images) < _FAST else 1
    times = [_timed_step(stepper, images, labels, lr, generator) for _ in range(count)]
    return sorted(times)[count // 2] / len(images)


def _timed_step(stepper: Stepper, images: Tensor, labels: Tensor, lr: float, generator: Generator) -> float:
    start = time.perf_counter()
    loss, _ = stepper.train_step(images, labels, lr, generator)
    loss.item()  # waits for the device
    return time.perf_counter() - start


def _inference_seconds(stepper: Stepper, images: Tensor, labels: Tensor, compute: Compute) -> float:
    few = images[: _FIRST if compute.device.type == "cpu" else len(images)]
    stepper.evaluate([(few, labels[: len(few)])])  # the first call is slower
    start = time.perf_counter()
    stepper.evaluate([(few, labels[: len(few)])])
    return (time.perf_counter() - start) / len(few)
