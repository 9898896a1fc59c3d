"""From what settings and models declare, and what a user asks for, to a search space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, get_args, get_origin

from cnnexp.errors import Fault, SettingsError, did_you_mean
from cnnexp.models import MODELS, check_arguments
from cnnexp.settings import Choice, Given, SearchRange, Settings, declarations, resolve
from cnnexp.settings.resolve import choices_of
from cnnexp.tuning.ranges import parse_range, values_of
from cnnexp.tuning.space import DEPTH, Dimension, Space, base_arguments

MODEL = "model"
_VERBS = {"--space": "be searched", "--vary": "vary"}
ALWAYS_SEARCHED = ("lr", "batch_size")  # where nothing else is asked for, beside the model's own arguments
# What a study decides as a whole: trials could not be compared, or would not be trials.
FIXED = frozenset(
    {
        *(
            "model",
            "model_args",
            "dataset",
            "data_dir",
            "split",
            "val_fraction",
            "test_fraction",
            "split_seed",
        ),
        *(
            "fraction",
            "skip_bad_images",
            "monitor",
            "seed",
            "device",
            "threads",
            "tracking_uri",
            "experiment",
        ),
        *(
            "run_name",
            "tags",
            "figures",
            "log_model",
            "plugin",
            "max_time",
            "cache",
            "memory_budget",
            "workers",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class _Target:
    """What a name in a space means.

    Attributes:
        kind: type of its values; of a list, that of its items.
        declared: the range that stands beside the declaration; of a list, that of its items.
        is_argument: of the model.
        words: legal words of a `Literal`.
        try_out: gives the setting or argument a value; raises a SettingsError where it cannot have it.
        setting: name by which that error calls it; of `depth` and of items, that of the list.
    """

    kind: type
    declared: SearchRange | None
    is_argument: bool
    words: tuple[str, ...] = ()
    try_out: Callable[[Any], object] = lambda value: value
    setting: str = ""


def build_space(asked: Mapping[str, Any], base: Settings, fixed: frozenset[str] = frozenset()) -> Space:
    """Returns the space that is asked for, or the model's own.

    Args:
        asked: name to a range as text, a list of values, or None for the declared range.
        base: settings of the trials, before they vary.
        fixed: names that were given a value: the default space leaves them alone.

    Raises:
        SettingsError: unknown names, ranges that cannot be; all of them are listed.
    """
    targets, list_argument = _targets(base)
    if not asked:
        own = [name for name, one in targets.items() if one.is_argument and one.declared is not None]
        names = [name for name in (*own, *ALWAYS_SEARCHED) if name not in fixed]
        asked = dict.fromkeys(n for n in names if not (n == DEPTH and list_argument in fixed))
    found = _dimensions(asked, targets, "--space")
    if not found:
        raise SettingsError([Fault("space", None, "has no dimension: give --space NAME=RANGE.", "--space")])
    if list_argument is None or not {list_argument, DEPTH} & set(found):
        return Space(tuple(found.values()))
    return Space(tuple(_with_places(found, list_argument, base)), list_argument)


def build_grid(asked: Mapping[str, Any], base: Settings) -> Space:
    """Returns the grid that is asked for: like a space, but of single values.

    `widths=16,32` gives all layers the same width, and `model=lenet,vgg11` compares models; model arguments
    cannot vary beside it, for no two models have the same.

    Raises:
        SettingsError: unknown names, values that cannot be; all of them are listed.
    """
    targets, list_argument = _targets(base)
    faults = []
    if "seed" in asked:
        faults.append(Fault("seed", asked["seed"], "varies by --seeds, the number of seeds.", "--vary"))
    if MODEL in asked:
        faults += [
            Fault(name, asked[name], "is an argument of one model, and cannot vary beside model.", "--vary")
            for name, one in targets.items()
            if one.is_argument and name in asked
        ]
    if faults:
        raise SettingsError(faults)
    targets = {MODEL: _Target(str, None, is_argument=False, words=MODELS.names()), **targets}
    found = _dimensions(asked, targets, "--vary")
    if not found:
        raise SettingsError([Fault("vary", None, "is empty: give --vary NAME=A,B,C.", "--vary")])
    faults = [
        Fault(
            name, asked.get(name), f"is continuous, and a grid needs single values: {name}=a,b,c.", "--vary"
        )
        for name, one in found.items()
        if values_of(one.range) is None
    ]
    if faults:
        raise SettingsError(faults)
    return Space(tuple(found.values()), list_argument if {list_argument, DEPTH} & set(found) else None)


def _dimensions(
    asked: Mapping[str, Any], targets: Mapping[str, _Target], origin: str
) -> dict[str, Dimension]:
    """Returns a dimension for each name that is asked for.

    Raises:
        SettingsError: lists everything that is wrong.
    """
    found: dict[str, Dimension] = {}
    faults: list[Fault] = []
    for given_name, given in asked.items():
        name = given_name.replace("-", "_")
        try:
            found[name] = Dimension(
                name, _range(name, given, targets, _VERBS[origin]), targets[name].is_argument
            )
            _refuse_illegal(found[name].range, targets[name])
        except ValueError as error:
            faults.append(Fault(given_name, given, str(error), origin))
    if faults:
        raise SettingsError(faults)
    return found


def _with_places(found: Mapping[str, Dimension], argument: str, base: Settings) -> Iterator[Dimension]:
    """Yields `depth` first, then a dimension for each place of the list, then the others."""
    depth, items = found.get(DEPTH), found.get(argument)
    deepest = len(base_arguments(base)[argument])
    if depth is not None:
        yield depth
        deepest = max(values_of(depth.range) or ())
    if items is not None:
        for place in range(1, deepest + 1):
            yield Dimension(f"{argument}.{place}", items.range, is_argument=True, place=place)
    yield from (one for name, one in found.items() if name not in (argument, DEPTH))


def _range(name: str, given: object, targets: Mapping[str, _Target], verb: str) -> SearchRange:
    if name in FIXED and name not in targets:
        raise ValueError(f"is the same for all trials of a study and cannot {verb}.")
    if name not in targets:
        raise ValueError(f"cannot {verb}{did_you_mean(name, targets)} Known: {', '.join(targets)}.")
    target = targets[name]
    if given is None or given == "":
        if target.declared is None:
            raise ValueError(f"has no range of its own; give one, such as {name}=1..10 or {name}=a,b.")
        return target.declared
    asked = parse_range(given, target.kind)
    if target.words and isinstance(asked, Choice):
        if "none" in target.words:  # a word like the others here: augment=none,flip
            asked = Choice(tuple("none" if value is None else value for value in asked.values))
        for value in asked.values:
            if value not in target.words:
                raise ValueError(f"{value!r} is not one of {', '.join(target.words)}.")
    return asked


def _targets(base: Settings) -> tuple[dict[str, _Target], str | None]:
    """Returns everything that can be searched by name, and the model's list argument if it has one."""
    found: dict[str, _Target] = {}
    list_argument = None
    model = MODELS.get(base.network.model)

    def giving(name: str, made: Callable[[Any], object] = lambda value: value) -> Callable[[Any], object]:
        return lambda value: check_arguments(model, {name: made(value)})

    for argument in model.arguments():
        bare, extras = _taken_apart(argument.annotation)
        declared, words = _declared(extras), choices_of(argument.annotation)
        name, try_out = argument.name, giving(argument.name)
        if get_origin(bare) is tuple and list_argument is None:
            list_argument, items = name, argument.default or (1,)
            as_deep = giving(name, tuple(items[:1]).__mul__)
            found[DEPTH] = _Target(int, declared, is_argument=True, try_out=as_deep, setting=name)
            bare, extras = _taken_apart(get_args(bare)[0])
            declared, try_out = _declared(extras), giving(name, lambda item: [item])
        found[name] = _Target(
            _kind(bare), declared, is_argument=True, words=words, try_out=try_out, setting=name
        )
    for name, one in declarations().items():
        if name not in FIXED and name not in found:
            kind, declared = _kind(one.field.annotation), _declared(tuple(one.field.metadata))
            found[name] = _Target(
                kind,
                declared,
                is_argument=False,
                words=one.choices,
                try_out=partial(_as_setting, name),
                setting=name,
            )
    return found, list_argument


def _as_setting(name: str, value: object) -> Settings:
    return resolve({name: Given(value, "")})


def _refuse_illegal(one: SearchRange, target: _Target) -> None:
    """Tries the ends of a range, or its values.

    Raises:
        ValueError: no run could have one of them.
    """
    for value in one.values if isinstance(one, Choice) else (one.low, one.high):
        try:
            target.try_out(value)
        except SettingsError as error:  # also of settings that contradict each other, which vary or are given
            rules = [fault.rule for fault in error.faults if fault.setting == target.setting]
            if rules:
                raise ValueError(f"holds {value!r}; {target.setting} {rules[0]}") from None


def _taken_apart(annotation: object) -> tuple[object, tuple[Any, ...]]:
    if get_origin(annotation) is Annotated:
        bare, *extras = get_args(annotation)
        return bare, tuple(extras)
    return annotation, ()


def _declared(extras: tuple[Any, ...]) -> SearchRange | None:
    return next((extra for extra in extras if isinstance(extra, SearchRange)), None)


def _kind(annotation: object) -> type:
    """Returns bool, int or float where the annotation is one, also inside a union, else str."""
    kinds = (annotation, *(_taken_apart(part)[0] for part in get_args(annotation)))
    return next((kind for kind in kinds if kind in (bool, int, float)), str)
