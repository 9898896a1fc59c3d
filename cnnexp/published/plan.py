"""What is trained: an experiment file in one of its forms, on data that are here, every setting resolved."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cnnexp.data.load import DEFAULT_DATA_DIR, entry_of, find_dataset
from cnnexp.errors import DataError, Fault, SettingsError
from cnnexp.experiment.children import Child
from cnnexp.experiment.entry import with_absolute_paths
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.trial import LoadedSets
from cnnexp.published import shipped
from cnnexp.published.check import check_names, check_on_data, resolve_arm
from cnnexp.published.read import ExperimentFile
from cnnexp.published.request import (
    OF_THE_PLACE,
    TRAIN_IMAGES,
    Request,
    check_request,
    chosen_arms,
    given_datasets,
    place_of,
    reduction_of,
    roles_in_use,
    seeds_of,
)
from cnnexp.published.schema import DataRole
from cnnexp.settings import DataSettings, Given, RaceSettings, Settings, resolve_as
from cnnexp.settings.resolve import Schema


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment about to be run.

    Attributes:
        file: that it is from.
        request: what was asked for beside it.
        arms: name to the settings of its first seed.
        seeds: of each arm.
        race: settings of the race; None where there is none.
        datasets: role to data set, of those in use.
    """

    file: ExperimentFile
    request: Request
    arms: Mapping[str, Settings]
    seeds: int
    race: RaceSettings | None
    datasets: Mapping[str, str]

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.file.name

    @property
    def form(self) -> str:
        """`full` or `quick`."""
        return "quick" if self.request.quick else "full"

    @property
    def changed(self) -> bool:
        """True where settings were overridden: figures are not the published experiment's."""
        return bool(self.request.override)

    @property
    def is_shipped(self) -> bool:
        """True of a file of the package; else it is someone's own."""
        return self.file.path == shipped().get(self.name)

    @property
    def artifact(self) -> str:
        """The experiment's file among the files of its run."""
        return f"experiment/{self.name}.yaml"

    def command(self) -> str:
        """Returns the command that repeats it, quoted for a shell; a file of one's own is the `artifact`."""
        options = [("--seeds", str(self.seeds))]
        options += [("--arms", ",".join(self.request.arms))] if self.request.arms else []
        options += [("--dataset", f"{role}={name}") for role, name in sorted(self.datasets.items())]
        override = self.request.override or {}
        options += [("--override", f"{name}={given.value}") for name, given in override.items()]
        words = ["cnnexp", "experiment", self.name if self.is_shipped else self.artifact]
        return shlex.join([*words, *(["--quick"] if self.request.quick else []), *chain(*options)])

    def is_comparable(self, arm: str) -> bool:
        """Tells whether figures of an arm, or of one of the race, can be set against the published ones."""
        return self.form == "full" and not self.changed and not self._has_other_data(arm)

    def epochs(self, arm: str) -> int:
        """Returns how many epochs an arm, or one of the race, is trained for at most."""
        settings = self.arms.get(arm, self.race)
        assert settings is not None
        return settings.training.epochs

    def _has_other_data(self, arm: str) -> bool:
        """Tells whether an arm has other data than the original; of photos to be given nobody knows."""
        experiment = self.file.experiment
        roles = {one.name: one.data for one in experiment.arms}
        role = roles.get(arm, experiment.race.data if experiment.race is not None else "")
        original, given = experiment.data[role].first_of[:1], self.datasets[role]
        return any(entry_of(given) != entry_of(one) for one in original)

    def children(self) -> list[Child]:
        """Returns every run; seed by seed, so that an interruption leaves whole comparisons."""
        return [
            Child(
                f"{arm}, seed {seed}",
                settings.replace(
                    seed=settings.training.seed + seed,
                    run_name=f"{self.name}-{arm.replace(' ', '-')}-seed{seed}",
                ),
            )
            for seed in range(self.seeds)
            for arm, settings in self.arms.items()
        ]

    def digest(self) -> str:
        """Returns 16 hex digits of everything that decides what is trained, but the number of seeds."""
        settings: dict[str, Settings] = dict(self.arms)
        if self.race is not None:
            settings["race"] = self.race
        known = {name: _of_the_experiment(one) for name, one in settings.items()}
        text = json.dumps(known, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _of_the_experiment(settings: Settings) -> dict[str, object]:
    return {name: value for name, value in settings.flat().items() if name not in (*OF_THE_PLACE, "plugin")}


def make_plan(file: ExperimentFile, request: Request, listener: Listener) -> Plan:
    """Resolves an experiment; data are found (downloaded where they must be) and counted.

    Raises:
        UserError: a setting, a name or a number is wrong, or data cannot be had.
    """
    experiment, quick = file.experiment, file.experiment.quick
    check_request(file, request)
    chosen, roles = chosen_arms(file, request), roles_in_use(file, request)
    races = experiment.race is not None and not request.arms
    place = place_of(request)
    drafts = _drafts(file, request, place)  # before any data: a typo is said at once
    check_names(file)
    datasets = given_datasets(file, request)
    for role in sorted(roles - set(datasets)):
        datasets[role] = _first_of(file, role, place, listener)
    sets = LoadedSets()
    arms = {}
    for arm in experiment.arms:
        if arm.name in chosen:
            settings = drafts[arm.name].replace(dataset=datasets[arm.data])
            images = None
            if request.quick:
                of_arm = quick.arm_settings.get(arm.name, {})
                images = of_arm.get(TRAIN_IMAGES, quick.train_images)
            arms[arm.name] = with_absolute_paths(_limited(settings, images, sets, listener))
    race = _race(file, request, place, datasets, sets, listener) if races else None
    check_on_data(file, arms, race)
    return Plan(file, request, arms, seeds_of(file, request), race, {role: datasets[role] for role in roles})


def _drafts(file: ExperimentFile, request: Request, place: Mapping[str, Given]) -> dict[str, Settings]:
    """Returns the settings of every arm, without its data set; faults of all, in both forms, are reported."""
    drafts, faults = dict[str, Settings](), dict[str, Fault]()
    for number, arm in enumerate(file.experiment.arms):
        full = [file.given("settings"), file.given("arms", number, "settings")]
        for is_quick, layers in ((False, full), (True, [*full, *reduction_of(file, arm.name)])):
            is_asked = is_quick == request.quick  # the other form is only looked through for faults
            try:
                draft = resolve_arm(*layers, place, (is_asked and request.override) or {})
            except SettingsError as error:
                faults |= {str(one): one for one in error.faults}
            else:
                drafts |= {arm.name: draft} if is_asked else {}
    if faults:
        raise SettingsError(faults.values())
    return drafts


def _first_of(file: ExperimentFile, role: str, place: Mapping[str, Given], listener: Listener) -> str:
    wanted: DataRole = file.experiment.data[role]
    data_dir = str(place["data_dir"].value) if "data_dir" in place else DEFAULT_DATA_DIR
    folder = Path(data_dir).expanduser()
    for number, name in enumerate(wanted.first_of):
        if entry_of(name)[0].locate(folder) is not None:
            if number:
                listener.note(f"{wanted.what} is not on disk: {name} is taken in its place")
            return name
    refused = ""
    for name in wanted.first_of:
        try:
            find_dataset(DataSettings(dataset=name, data_dir=data_dir), progress=listener.progress)
        except DataError as error:
            refused = refused or f" {error}"
        else:
            return name
    rest = [arm.name for arm in file.experiment.arms if arm.data != role]
    leave_out = f' Without it: --arms "{",".join(rest)}".' if rest else ""
    way_out = wanted.way_out or f"Or give other data in its place: --dataset {role}=folder:PATH."
    raise DataError(
        f"{file.name} needs {wanted.what}:{refused or ' none ships with cnnexp.'} {way_out}{leave_out}"
    )


def _limited(settings: Schema, images: int | None, sets: LoadedSets, listener: Listener) -> Schema:
    """Returns settings whose fraction leaves at most so many training images."""
    if images is None:
        return settings
    whole = settings.data.model_copy(update={"fraction": 1.0})
    dataset = sets.load(with_absolute_paths(Settings(data=whole)).data, progress=listener.progress)
    share = min(settings.data.fraction, images / len(dataset.train))
    return settings.replace(fraction=round(max(share, 1e-6), 6))


def _race(
    file: ExperimentFile,
    request: Request,
    place: Mapping[str, Given],
    datasets: Mapping[str, str],
    sets: LoadedSets,
    listener: Listener,
) -> RaceSettings:
    race = file.experiment.race
    assert race is not None
    layers = [file.given("settings"), file.given("race", "settings")]
    if request.quick:
        layers.append(file.given("quick", "race_settings"))
    settings = resolve_as(
        RaceSettings, {"fraction": Given(1.0, "default")}, *layers, place, request.override or {}
    )
    settings = settings.replace(dataset=datasets[race.data], log_model=False)
    return with_absolute_paths(_limited(settings, race.train_images, sets, listener))
