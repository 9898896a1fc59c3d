"""How long an experiment will take here: steps of each arm, measured and multiplied.

Other work beside it only makes a step longer: the fastest one tells what the machine can do, the median one
what it does now. What is said lies between the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from torch import Generator, Tensor

from cnnexp.convolution import ALGORITHMS
from cnnexp.experiment.assemble import Assembly, assemble, batches, build_stepper
from cnnexp.experiment.children import Child
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.measure import call_seconds
from cnnexp.experiment.race_time import loop_training_seconds, spoken
from cnnexp.experiment.trial import LoadedSets
from cnnexp.published.plan import Plan
from cnnexp.settings import Settings
from cnnexp.training.step import Stepper

LONG_SECONDS = 2 * 3600.0  # longer must be meant
TASK = "measuring how long it will take"
_FIRST = 8  # images of the first steps, which tell how many images a step may have that is measured
_STEP_SECONDS = 2.0  # about the longest
_ENOUGH = 0.5  # seconds of steps


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time, about.

    Attributes:
        fastest: seconds, were every step as fast as the fastest that was measured.
        typical: seconds, were every step as the median one.
    """

    fastest: float
    typical: float

    def __add__(self, other: Span) -> Span:
        return Span(self.fastest + other.fastest, self.typical + other.typical)

    def __mul__(self, factor: float) -> Span:
        return Span(self.fastest * factor, self.typical * factor)

    def __str__(self) -> str:
        low, high = spoken(self.fastest), spoken(self.typical)
        if low == high:
            return high
        number, _, unit = low.rpartition(" ")
        return f"{number if high.endswith(unit) else low} to {high}"


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long an arm will take.

    Attributes:
        arm: or `race`.
        runs: still to be trained.
        each: of one of them.
    """

    arm: str
    runs: int
    each: Span

    @property
    def together(self) -> Span:
        """Of all its runs."""
        return self.each * self.runs


class _OnlyProgress(Listener):
    """Tells how far reading the data is; notes are said when the runs are begun."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def progress(self, task: str, done: int, total: int) -> None:
        """Hands on."""
        self._listener.progress(task, done, total)


def forecast(plan: Plan, children: Sequence[Child], *, with_race: bool, listener: Listener) -> list[Forecast]:
    """Measures some steps of every arm that is still to be trained.

    Raises:
        UserError: an arm cannot work as asked.
    """
    listener.progress(TASK, 0, 0)
    quiet = _OnlyProgress(listener)
    sets = LoadedSets()
    runs = Counter(child.key.rpartition(", seed ")[0] for child in children)
    found = []
    if with_race and plan.race is not None:
        found.append(Forecast("race", 1, _race_span(plan, sets, quiet)))
    for number, (arm, count) in enumerate(runs.items()):
        listener.progress(TASK, number, len(runs))
        found.append(Forecast(arm, count, _span(plan.arms[arm], sets, quiet)))
    listener.progress(TASK, len(runs), len(runs))
    return found


def _race_span(plan: Plan, sets: LoadedSets, listener: Listener) -> Span:
    assert plan.race is not None
    assert plan.file.experiment.race is not None
    algorithms = plan.file.experiment.race.algorithms
    others = len([one for one in algorithms if one in ALGORITHMS and one != "loop"])
    span = _span(plan.race, sets, listener) * (2 + 2 * others)  # torch twice; ours take up to twice as long
    if "loop" in algorithms:
        seconds = loop_training_seconds(assemble(plan.race, listener, load=sets.load))
        span += Span(seconds, seconds)
    return span


def _span(settings: Settings, sets: LoadedSets, listener: Listener) -> Span:
    """Returns how long one run will take: its epochs, and the test at the end."""
    assembly = assemble(settings, listener, load=sets.load)
    train, val, test = (len(getattr(assembly.dataset, name)) for name in ("train", "val", "test"))
    part = batches(assembly, "train")
    try:
        images, labels = next(iter(part.epoch(0)))
    finally:
        part.close()
    stepper = build_stepper(assembly)
    step = _per_image(lambda count: _step(stepper, images[:count], labels[:count]), len(images), assembly)
    look = _per_image(
        lambda count: stepper.evaluate([(images[:count], labels[:count])]), len(images), assembly
    )
    return (step * train + look * val) * settings.training.epochs + look * test


def _per_image(work: Callable[[int], object], most: int, assembly: Assembly) -> Span:
    """Returns the seconds that some work takes per image, measured on as many images as do not take long.

    Args:
        work: done with so many images.
        most: images.
        assembly: names the device.
    """
    device, few = assembly.compute.device, min(most, _FIRST)
    first = min(call_seconds(lambda: work(few), device, enough=0.0)) / few
    count = max(few, min(most, int(_STEP_SECONDS / max(first, 1e-9))))
    taken = call_seconds(lambda: work(count), device, enough=_ENOUGH)
    return Span(min(taken), median(taken)) * (1 / count)


def _step(stepper: Stepper, images: Tensor, labels: Tensor) -> None:
    stepper.network.train()
    loss, _ = stepper.train_step(images, labels, stepper.settings.lr, Generator().manual_seed(0))
    loss.item()  # waits for the device
