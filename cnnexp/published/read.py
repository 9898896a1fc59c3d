"""Reads an experiment file: every fault is reported with the line it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cnnexp.errors import Fault, SettingsError, UserError, did_you_mean
from cnnexp.published import schema
from cnnexp.published.schema import Experiment
from cnnexp.settings import Given
from cnnexp.settings.groups import Group
from cnnexp.settings.resolve import describe

Place = tuple[str | int, ...]
_ARM_FIELDS = {"arm", "against", "changed_arm", "changed_against"}
_FIELDS = {
    name
    for one in vars(schema).values()
    if isinstance(one, type) and issubclass(one, Group)
    for name in one.model_fields
}


@dataclass(frozen=True, slots=True)
class ExperimentFile:
    """An experiment and the file it was read from.

    Attributes:
        path: of the file.
        experiment: what it says.
        lines: place in the file, such as ("arms", 0, "settings", "lr"), to its line.
    """

    path: Path
    experiment: Experiment
    lines: Mapping[Place, int]

    @property
    def name(self) -> str:
        """What runs of it are called."""
        return self.path.stem

    def given(self, *place: str | int) -> dict[str, Given]:
        """Returns the settings that stand at a place of the file, each with its line."""
        found: Any = self.experiment
        for part in place:
            is_field = isinstance(part, str) and not isinstance(found, Mapping)
            found = getattr(found, str(part)) if is_field else found[part]
        return {
            str(name).replace("-", "_"): Given(value, self.origin((*place, name)))
            for name, value in found.items()
        }

    def origin(self, place: Place) -> str:
        """Returns where a place of the file is, for messages."""
        return f"{self.path.name} line {_line(self.lines, place)}"


def read_experiment(path: Path) -> ExperimentFile:
    """Reads and checks an experiment file; its settings are checked when they are resolved.

    Raises:
        UserError: it is missing, not YAML, or wrong; each fault names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(
            f"cannot read the experiment file {str(path)!r}: {reason}; `cnnexp experiments` lists the "
            "shipped ones, and `cnnexp experiment s1 --write my.yaml` writes one to start from."
        ) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path} line {line}: not valid YAML ({error.problem}).") from error
    if not isinstance(content, dict) or node is None:
        raise UserError(f"{path} line 1: an experiment file begins with `title: ...`.")
    lines = dict(_lines(node, ()))
    try:
        experiment = Experiment(**content)
    except ValidationError as error:
        raise SettingsError(_fault(one, lines, path) for one in error.errors()) from error
    faults = [*_wrong_names(experiment, lines, path), *_wrong_classes(experiment, lines, path)]
    if faults:
        raise SettingsError(faults)
    return ExperimentFile(path, experiment, lines)


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _lines(value, (*place, key.value))
            yield (*place, key.value), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _lines(item, (*place, number))


def _line(lines: Mapping[Place, int], place: Place) -> int:
    """Returns the line of a place, or of what holds it: something that is missing has none."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def _fault(detail: ErrorDetails, lines: Mapping[Place, int], path: Path) -> Fault:
    place: Place = ()
    for part in detail["loc"]:
        if (*place, part) in lines:  # pydantic also names the kind of an answer, which is no place
            place = (*place, part)
    name, kind = ".".join(map(str, detail["loc"])), detail["type"]
    origin = f"{path.name} line {_line(lines, place)}"
    last = str(detail["loc"][-1])
    if (
        kind == "extra_forbidden"
        and detail["loc"][0] == "networks"
        and last in schema.PublishedCount.model_fields
    ):
        rule = "stands in `published` of a network (as its source says), or in `counted` (by other means)."
        return Fault(name, None, rule, origin)
    if kind == "extra_forbidden":
        return Fault(name, None, f"is not known here{did_you_mean(last, _FIELDS)}", origin)
    if kind == "missing":
        return Fault(name, None, "is missing.", origin)
    if kind == "union_tag_invalid":
        known = detail["ctx"]["expected_tags"].replace("'", "")
        asked = str(detail["ctx"]["tag"])
        return Fault("kind", asked, f"must be one of {known}{did_you_mean(asked, known.split(', '))}", origin)
    value = detail["input"] if isinstance(detail["input"], str | int | float) else None
    words = tuple(re.findall(r"'([^']+)'", str(detail.get("ctx", {}).get("expected", ""))))
    return Fault(name, value, describe(detail, words), origin)


def _wrong_names(experiment: Experiment, lines: Mapping[Place, int], path: Path) -> Iterator[Fault]:
    """Yields names of arms, networks and roles that the file does not have, or has twice."""
    own = [arm.name for arm in experiment.arms]
    known = {"arm": own, "network": [one.name for one in experiment.networks], "data": list(experiment.data)}
    for kind, part in (("arm", "arms"), ("network", "networks")):
        for number, name in enumerate(known[kind]):
            if name in known[kind][:number]:
                origin = f"{path.name} line {_line(lines, (part, number, 'name'))}"
                yield Fault(kind, name, "is there twice; give each a name of its own.", origin)
    if experiment.race is not None:  # its algorithms are arms too
        known["arm"] = [*own, *dict.fromkeys(("torch", *experiment.race.algorithms))]
    for place, kind, name in _names_used(experiment):
        names = own if place[0] == "quick" else known[kind]
        if name not in names:
            rule = f"is no {kind} of this file{did_you_mean(name, names)} It has: {', '.join(names)}."
            yield Fault(str(place[-1]), name, rule, f"{path.name} line {_line(lines, place)}")


def _wrong_classes(experiment: Experiment, lines: Mapping[Place, int], path: Path) -> Iterator[Fault]:
    """Yields figures whose metric needs two classes and has others, or takes none and has some."""
    for number, figure in enumerate(experiment.published):
        wanted = 2 if figure.metric == "mistaken" else 0
        if len(figure.classes) != wanted:
            rule = "must be two, one mistaken for the other." if wanted else "belong to `mistaken` only."
            origin = f"{path.name} line {_line(lines, ('published', number, 'classes'))}"
            yield Fault("classes", ", ".join(figure.classes) or None, rule, origin)


def _names_used(experiment: Experiment) -> Iterator[tuple[Place, str, str]]:
    """Yields (place, kind, name) wherever the file speaks of an arm, a network or a role of data."""
    for number, arm in enumerate(experiment.arms):
        yield ("arms", number, "data"), "data", arm.data
    if experiment.race is not None:
        yield ("race", "data"), "data", experiment.race.data
    for part in ("published", "curves"):
        for number, one in enumerate(getattr(experiment, part)):
            yield (part, number, "arm"), "arm", one.arm
    yield from ((("quick", "arms"), "arm", name) for name in experiment.quick.arms)
    yield from ((("quick", "arm_settings", name), "arm", name) for name in experiment.quick.arm_settings)
    for number, question in enumerate(experiment.questions):
        for which, answer in enumerate(question.answers):
            for field, kind, name in _named(answer):
                yield ("questions", number, "answers", which, field), kind, name


def _named(answer: Group) -> Iterator[tuple[str, str, str]]:
    """Yields (field, arm or network, name) of what an answer speaks of."""
    for field, value in answer:
        names = (value,) if isinstance(value, str) else value
        if field in ("network", "networks") or (field == "against" and hasattr(answer, "network")):
            yield from ((field, "network", name) for name in names)
        elif field in _ARM_FIELDS or field == "arms":
            yield from ((field, "arm", name) for name in names)
