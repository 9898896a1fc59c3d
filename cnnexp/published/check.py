"""What only registries and data know of an experiment file, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cnnexp.data.load import class_names_of, entry_of, image_spec
from cnnexp.errors import DataError, Fault, ModelError, SettingsError, UnknownNameError, UserError
from cnnexp.image_spec import ImageSpec
from cnnexp.models import MODELS, check_arguments, outline_model
from cnnexp.plugins import load_plugin
from cnnexp.published.read import ExperimentFile
from cnnexp.published.schema import Figure
from cnnexp.settings import Given, Settings, resolve

OF_THE_ROLE = "dataset"  # no setting of an arm: the file's `data` says it


def resolve_arm(*layers: Mapping[str, Given]) -> Settings:
    """Returns the settings of an arm, without its data set; its plug-ins are loaded, its model is known.

    Args:
        *layers: settings and where they stand, the last one winning.

    Raises:
        SettingsError: a setting, the model or an argument of it is wrong.
        UserError: a plug-in cannot be imported.
    """
    given = {name: one for layer in layers for name, one in layer.items()}
    if OF_THE_ROLE in given:
        rule = "is not set here: an arm names a role of `data`; --dataset ROLE=SET puts another set there."
        raise SettingsError([Fault(OF_THE_ROLE, given[OF_THE_ROLE].value, rule, given[OF_THE_ROLE].origin)])
    settings = resolve(*layers)
    for plugin in settings.plugins.plugin:
        load_plugin(plugin)
    network, default = settings.network, Given(None, "default")
    origins = {name: given.get(name, default).origin for name in ("model", "model_args")}
    faults = _model_faults(network.model, network.model_args, origins)
    if faults:
        raise SettingsError(faults)
    return settings


def _model_faults(model: str, arguments: Mapping[str, object], origins: Mapping[str, str]) -> list[Fault]:
    """Returns what is wrong with the name of a model and its arguments, each with where it stands."""
    try:
        check_arguments(MODELS.get(model), arguments)
    except UnknownNameError as error:
        return [Fault("model", None, str(error), origins["model"])]
    except SettingsError as error:
        return [
            replace(one, setting=f"{model}'s {one.setting}", origin=origins["model_args"])
            for one in error.faults
        ]
    return []


def check_names(file: ExperimentFile) -> None:
    """Checks models of networks and data sets of roles; those of plug-ins are registered before.

    Raises:
        SettingsError: some are unknown.
    """
    faults = list[Fault]()
    for number, network in enumerate(file.experiment.networks):
        places = {name: file.origin(("networks", number, name)) for name in ("model", "model_args")}
        faults += _model_faults(network.model, network.model_args, places)
    for role, wanted in file.experiment.data.items():
        for name in wanted.first_of:
            try:
                entry_of(name)
            except UnknownNameError as error:
                faults.append(Fault("first_of", None, str(error), file.origin(("data", role, "first_of"))))
    if faults:
        raise SettingsError(faults)


def check_on_data(file: ExperimentFile, arms: Mapping[str, Settings], race: Settings | None) -> None:
    """Checks, without decoding an image, what the data of each arm decide.

    Args:
        file: that they are from.
        arms: name to settings, with the data set.
        race: settings of the race's arms; None where there is none.

    Raises:
        ModelError: a network cannot be built for an arm's images.
        DataError: a published figure speaks of classes that the data do not have.
    """
    known: dict[str, ImageSpec] = {}
    for number, arm in enumerate(file.experiment.arms):
        if arm.name in arms:
            _check_network(arms[arm.name], f"arm {arm.name!r} ({file.origin(('arms', number))})", known)
    if race is not None:
        _check_network(race, f"the race ({file.origin(('race',))})", known)
    own = {one.name for one in file.experiment.arms}
    for number, figure in enumerate(file.experiment.published):
        settings = arms.get(figure.arm) or (race if figure.arm not in own else None)
        if settings is not None and figure.classes:
            _check_classes(figure, settings, file.origin(("published", number)))


def _check_network(settings: Settings, where: str, known: dict[str, ImageSpec]) -> None:
    data, network = settings.data, settings.network
    key = f"{data.dataset} {data.data_dir} {data.image_size} {data.color}"
    known[key] = spec = known.get(key) or image_spec(data)
    try:
        outline_model(network.model, spec, network.model_args)
    except UserError as error:
        raise ModelError(f"{where}: {error}") from error


def _check_classes(figure: Figure, settings: Settings, origin: str) -> None:
    names = class_names_of(settings.data)
    missing = [one for one in figure.classes if one not in names]
    if missing:
        raise DataError(
            f"classes ({origin}): {settings.data.dataset}, the data of arm {figure.arm!r}, has no class "
            f"{' and no class '.join(map(repr, missing))}; it has {', '.join(names[:20])}"
            f"{', ...' if len(names) > 20 else ''}. Give data that have them, or a file without this "  # noqa: PLR2004
            "figure (--write FILE.yaml copies a shipped one)."
        )
