"""Going on with a run: its own settings, its own data, its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnnexp.errors import DataError, Fault, SettingsError, TrackingError, UserError
from cnnexp.experiment.assemble import Assembly
from cnnexp.experiment.names import DATASET_FILE, SETTINGS_FILE, read_json
from cnnexp.settings import Given, Settings, read_settings_file, resolve
from cnnexp.tracking.store import Store
from cnnexp.training.checkpoint import BEST, LAST, epoch_of_weights, read_progress
from cnnexp.training.judges import best_of

# What may differ in a resumed run without making it another experiment.
CHANGEABLE = (
    "epochs",
    "max_time",
    "patience",
    "data_dir",
    "workers",
    "memory_budget",
    "cache",
    "tracking_uri",
)


def resumed_settings(store: Store, run_id: str, given: Mapping[str, Given]) -> Settings:
    """Returns the settings a run was started with, and the few changes that are given now.

    Raises:
        SettingsError: a setting is given that would make it another experiment.
        TrackingError: the run has no settings to go on with.
    """
    faults = [
        Fault(
            name, one.value, f"cannot change in a resumed run; only {', '.join(CHANGEABLE)} can.", one.origin
        )
        for name, one in given.items()
        if name not in CHANGEABLE
    ]
    if faults:
        raise SettingsError(faults)
    path = store.fetch(run_id, SETTINGS_FILE)
    return resolve(read_settings_file(path), given)


def check_resumable(store: Store, run_id: str, assembly: Assembly) -> dict[str, Path]:
    """Fetches the checkpoints that a resumed run needs, and refuses what cannot go on; it stays as it was.

    Returns:
        Files by their paths in the run's folder.

    Raises:
        DataError: the images differ from those the run began with.
        TrackingError: the run has no checkpoint to go on from.
        UserError: the run is complete.
    """
    dataset, training = assembly.dataset, assembly.settings.training
    recorded = read_json(store.fetch(run_id, DATASET_FILE))["digest"]
    if recorded != dataset.digest:
        raise DataError(
            f"the data of {dataset.name} have changed since the run began (digest {recorded} then, "
            f"{dataset.digest} now); bring the old data back, or start a new run without --resume."
        )
    checkpoints = {LAST: store.fetch(run_id, LAST)}
    history = read_progress(checkpoints[LAST]).history
    best = best_of(history)
    if best is not None and best.epoch != history[-1].epoch:  # else `last` holds the best weights too
        checkpoints[BEST] = store.fetch(run_id, BEST)
    is_finished = store.client.get_run(run_id).info.status == "FINISHED"
    if is_finished and len(history) >= training.epochs:
        raise UserError(
            f"run {run_id} is complete: it has all {len(history)} epochs; give more --epochs to go on."
        )
    return checkpoints


def best_weights(store: Store, run_id: str) -> tuple[Path, int]:
    """Returns the file of a run's best weights, and their epoch.

    Raises:
        UserError: the run has none, or they cannot be read.
    """
    try:
        weights = store.fetch(run_id, BEST)
    except TrackingError as error:
        raise UserError(
            f"run {run_id} has no model: {error} A run of `cnnexp train` keeps its best weights, a trial of "
            "a study does not."
        ) from error
    epoch = epoch_of_weights(weights)
    if epoch is None:
        raise UserError(f"the weights {weights} cannot be read; train the run anew.")
    return weights, epoch
