"""`cnnexp.train`: what the command and a notebook both call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnnexp.errors import Fault, SettingsError, UserError
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.names import SETTINGS_FILE
from cnnexp.experiment.result import Result
from cnnexp.experiment.resume import resumed_settings
from cnnexp.experiment.run import run_experiment
from cnnexp.settings import Given, Settings, from_environment, read_settings_file, resolve
from cnnexp.settings.resolve import Schema
from cnnexp.tracking.opening import absolute_uri
from cnnexp.tracking.store import Store, open_store
from cnnexp.training.optimizers import unused_settings

FOLDER = "folder:"


def train(
    *,
    config: str | Path | None = None,
    resume: str | None = None,
    from_trial: str | None = None,
    listener: Listener | None = None,
    **settings: object,
) -> Result:
    """Trains a registered model on a registered data set and tracks the run in MLflow.

    Args:
        config: YAML file of settings; keyword arguments win over it.
        resume: run id, unique prefix, name or `last`: goes on with that run in place of starting one.
        from_trial: `STUDY:NUMBER`: starts from the settings of a study's trial, seed and threads included, so
            that on a CPU its curve comes out again.
        listener: hears of progress; by default nobody does.
        **settings: any setting by its name, as `cnnexp train --help` lists them: model="lenet", epochs=5.

    Returns:
        What the run has found, its model, and where it is recorded.

    Raises:
        UserError: a setting, the data, the model or the store cannot work as asked; no run is left open.
    """
    listener = listener or Listener()
    if resume is None:
        asked = asked_settings(config=config, from_trial=from_trial, settings=settings)
        return run_experiment(asked, listener=listener)
    store, run_id, given = asked_run(resume, config=config, settings=settings)
    resolved = resumed_settings(store, run_id, given)
    return run_experiment(with_absolute_paths(resolved), listener=listener, resume=run_id, store=store)


def asked_settings(
    *, config: str | Path | None, from_trial: str | None, settings: Mapping[str, object]
) -> Settings:
    """Returns the settings of a new run: of a trial, the environment, the file and keyword arguments.

    Raises:
        UserError: a name or value is wrong, the file cannot be read, or there is no such trial.
    """
    given, from_file = _given(settings), _from_file(config)
    of_trial = _trial_settings(from_trial, given) if from_trial is not None else {}
    resolved = with_absolute_paths(resolve(of_trial, from_environment(), from_file, given))
    _refuse_without_effect(resolved, given)
    return resolved


def asked_run(
    resume: str, *, config: str | Path | None, settings: Mapping[str, object]
) -> tuple[Store, str, dict[str, Given]]:
    """Returns the store and id of the run that is to go on, and what is given now, the store among it.

    Raises:
        TrackingError: no such run, or several.
    """
    given, from_file = _given(settings), _from_file(config)
    uri = _asked_store(from_environment(), from_file, given)
    store = open_store(uri, make=False)
    place = {"tracking_uri": Given(uri, "--tracking-uri")}  # whatever store the run was begun with
    return store, store.find_run(resume), {**from_file, **given, **place}


def _given(settings: Mapping[str, object]) -> dict[str, Given]:
    return {
        name: value if isinstance(value, Given) else Given(value, f"argument {name}")
        for name, value in settings.items()
    }


def _from_file(config: str | Path | None) -> dict[str, Given]:
    return read_settings_file(Path(config)) if config is not None else {}


def _trial_settings(name: str, given: Mapping[str, Given]) -> dict[str, Given]:
    """Returns the settings of a study's trial.

    Raises:
        UserError: the name is not STUDY:NUMBER.
        TrackingError: there is no such study or trial in the store.
    """
    study, sign, number = name.rpartition(":")
    if not sign or not study or not number.isdigit():
        raise UserError(f"trial {name!r} must be STUDY:NUMBER, such as convnet-digits-1a2b3c:17.")
    store = open_store(_asked_store(from_environment(), given), make=False)
    run_id = store.find_trial(study, int(number))
    return read_settings_file(store.fetch(run_id, SETTINGS_FILE))


def _refuse_without_effect(settings: Settings, given: dict[str, Given]) -> None:
    """What is asked for by name must do something; a file may hold settings of every optimizer."""
    optimization = settings.optimization
    faults = [
        Fault(
            name,
            given[name].value,
            f"has no effect with optimizer {optimization.optimizer} and schedule {optimization.schedule}; "
            "leave it out, or choose ones that use it.",
            given[name].origin,
        )
        for name in sorted(unused_settings(optimization) & set(given))
    ]
    if faults:
        raise SettingsError(faults)


def _asked_store(*layers: Mapping[str, Given]) -> str | None:
    """Where a resumed run is looked for, and thus recorded: as asked now, whatever it was begun with."""
    asked = [layer["tracking_uri"] for layer in layers if "tracking_uri" in layer]
    return resolve({"tracking_uri": asked[-1]} if asked else {}).tracking.tracking_uri


def with_absolute_paths(settings: Schema) -> Schema:
    """Paths that were meant from this folder still mean the same when the run is repeated from another."""
    changes: dict[str, object] = {}
    data, plugins, uri = settings.data, settings.plugins.plugin, settings.tracking.tracking_uri
    if data.dataset.startswith(FOLDER):
        changes["dataset"] = FOLDER + _absolute(data.dataset.removeprefix(FOLDER))
    if data.data_dir is not None:
        changes["data_dir"] = _absolute(data.data_dir)
    if isinstance(settings.network.pretrained, str):
        changes["pretrained"] = _absolute(settings.network.pretrained)
    if plugins:
        changes["plugin"] = tuple(_absolute(one) if one.endswith(".py") else one for one in plugins)
    if uri is not None:
        changes["tracking_uri"] = absolute_uri(uri)
    return settings.replace(**changes) if changes else settings


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
