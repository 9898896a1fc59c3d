"""What an experiment file may say: arms, their settings, what was published of them, and the questions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from cnnexp.settings.groups import Group

Metric = Literal[
    "test/accuracy", "test/loss", "train/accuracy", "train/loss", "val/accuracy", "val/loss",
    "best/epoch", "best/val_accuracy", "best/val_loss",
    "seconds", "seconds_per_epoch", "times_torch", "mistaken",
]  # fmt: skip
Values = dict[str, Any]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^,=/]+$")]


class DataRole(Group):
    """A data set that arms are trained on.

    Attributes:
        what: the original's, for people.
        first_of: registered data sets; the first that is on disk is taken, else the first that can be
            downloaded. Empty: it must be given.
        way_out: the end of the sentence that says it is missing.
    """

    what: str
    first_of: tuple[str, ...] = ()
    way_out: str = ""


class Arm(Group):
    """One training, repeated with several seeds.

    Attributes:
        name: in tables; tells it from the others.
        data: role of its data set.
        settings: of `cnnexp train`, over those of the experiment.
    """

    name: Name
    data: str
    settings: Values = Field({})


class Race(Group):
    """One network trained once with each algorithm of convolution, from the same weights.

    Each algorithm is an arm of its name, with one run.

    Attributes:
        data: role of its data set.
        algorithms: torch is always there.
        train_images: at most so many training images; validation is cut alike.
        settings: of `cnnexp conv race`, over those of the experiment.
    """

    data: str
    algorithms: tuple[str, ...]
    train_images: int = Field(ge=1)
    settings: Values = Field({})


class PublishedCount(Group):
    """What was published of a network.

    Attributes:
        parameters: of the network; None: none were.
        macs: likewise, multiply-accumulates per image.
        rounded_to: the parameters are rounded to multiples of this.
        layer_parameters: of each layer that has any, in order.
        megabytes: of input, forward/backward pass, parameters and total.
        source: where.
    """

    parameters: int | None = None
    macs: int | None = None
    rounded_to: int = Field(1, ge=1)
    layer_parameters: tuple[int, ...] = ()
    megabytes: tuple[float, ...] = ()
    source: str = ""


class IndependentCount(Group):
    """What was counted independently of this program, but never published: our count is checked against it.

    Attributes:
        parameters: of the network.
        macs: multiply-accumulates per image.
    """

    parameters: int | None = None
    macs: int | None = None


class Network(Group):
    """A network that is counted, not trained.

    Attributes:
        name: in tables.
        model: registered model.
        model_args: of its builder.
        image: (channels, height, width).
        classes: how many.
        published: what a source says of it.
        counted: what nobody published, counted by other means.
    """

    name: str
    model: str
    model_args: Values = Field({})
    image: tuple[int, int, int]
    classes: int = Field(ge=2)
    published: PublishedCount = PublishedCount()
    counted: IndependentCount = IndependentCount()


class Figure(Group):
    """A published figure of an arm.

    Attributes:
        arm: whose.
        metric: what; `mistaken`: test images of either of two classes taken for the other.
        epoch: of a curve, counted from 1; None: the last, or the only one.
        classes: of `mistaken`, two.
        value: as published; accuracies in [0, 1].
        source: where.
        other_conditions: why it cannot be compared with ours (another machine, say); empty: it can.
    """

    arm: str
    metric: Metric
    epoch: int | None = Field(None, ge=1)
    classes: tuple[str, ...] = ()
    value: float
    source: str
    other_conditions: str = ""


class Point(Group):
    """One epoch of a published curve; what was not published is left out."""

    epoch: int = Field(ge=1)
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None


class Curve(Group):
    """A published curve of an arm."""

    arm: str
    source: str
    points: tuple[Point, ...]


class HiddenLayers(Group):
    """Which layers with weights do not show when a network is printed block by block."""

    kind: Literal["hidden-layers"]
    network: str


class Ratios(Group):
    """How often one network has what another has: counted, and seconds measured.

    Attributes:
        network, against: names of networks.
        batch_size: images a call, measured.
    """

    kind: Literal["ratios"]
    network: str
    against: str
    batch_size: int = Field(8, ge=2)


class Counts(Group):
    """Whether networks have as many parameters as published."""

    kind: Literal["counts"]
    networks: tuple[str, ...]


class Difference(Group):
    """By how much arms differ, a t interval over seeds each.

    Attributes:
        arms: the first against each of the others.
        metric: in [0, 1].
    """

    kind: Literal["difference"]
    arms: Annotated[tuple[str, ...], Field(min_length=2)]
    metric: Literal["test/accuracy", "best/val_accuracy"] = "test/accuracy"


class Advantage(Group):
    """By how much one arm is ahead of another, and what a change of both leaves of that.

    Attributes:
        arm, against: plain.
        changed_arm, changed_against: the same two, changed.
        change: in words.
    """

    kind: Literal["advantage"]
    arm: str
    against: str
    changed_arm: str
    changed_against: str
    change: str


class MostConfused(Group):
    """Which two classes of the test part an arm mistakes most for each other."""

    kind: Literal["most-confused"]
    arm: str


class PerClass(Group):
    """Which classes of the test part an arm finds best and worst."""

    kind: Literal["per-class"]
    arm: str


class RaceFound(Group):
    """What the race found: times, and whether the curves are the same training."""

    kind: Literal["race"]


class WorkedExample(Group):
    """A convolution small enough to be checked by hand, computed with every algorithm."""

    kind: Literal["worked-example"]
    image: tuple[tuple[float, ...], ...]
    kernel: tuple[tuple[float, ...], ...]
    published: tuple[tuple[float, ...], ...]


Answer = Annotated[
    HiddenLayers | Ratios | Counts | Difference | Advantage | MostConfused | PerClass | RaceFound
    | WorkedExample,
    Field(discriminator="kind"),
]  # fmt: skip


class Question(Group):
    """What the original asked, and what answers it here."""

    ask: str
    answers: Annotated[tuple[Answer, ...], Field(min_length=1)]


class Quick(Group):
    """The reduction that runs in about a minute on two cores.

    Attributes:
        what: it reduces, in a sentence.
        seeds: as many.
        arms: these only; empty: all.
        train_images: at most so many of every arm; the other parts are cut alike.
        settings: over those of every arm.
        arm_settings: over those of one arm.
        race_settings: over those of the race.
        batch_size: of measured ratios.
    """

    what: str
    seeds: int = Field(1, ge=1)
    arms: tuple[str, ...] = ()
    train_images: int | None = Field(None, ge=1)
    settings: Values = Field({})
    arm_settings: dict[str, Values] = Field({})
    race_settings: Values = Field({})
    batch_size: int = Field(2, ge=2)


class Experiment(Group):
    """An experiment file.

    Attributes:
        title: a line.
        about: what the original did, and what is done otherwise here.
        seeds: of the full form.
        data: role to data set.
        settings: of every arm.
        arms: what is trained.
        race: of algorithms of convolution.
        networks: what is counted.
        published: figures of arms.
        curves: of arms.
        questions: with their answers.
        quick: the reduction.
    """

    title: str
    about: str
    seeds: int = Field(3, ge=1)
    data: dict[str, DataRole]
    settings: Values = Field({})
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    race: Race | None = None
    networks: tuple[Network, ...] = ()
    published: tuple[Figure, ...] = ()
    curves: tuple[Curve, ...] = ()
    questions: tuple[Question, ...] = ()
    quick: Quick
