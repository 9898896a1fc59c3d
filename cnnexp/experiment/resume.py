"""Going on with a run: its own settings, its own data, its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnnexp.data.dataset import ImageDataset
from cnnexp.errors import DataError, Fault, SettingsError
from cnnexp.experiment.record import DATASET_FILE, SETTINGS_FILE, read_json
from cnnexp.settings import Given, Settings, read_settings_file, resolve
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import Store
from cnnexp.training.checkpoint import LAST

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


def check_same_data(run: Run, dataset: ImageDataset) -> None:
    """Refuses to go on with other images than the run began with.

    Raises:
        DataError: the digest differs.
    """
    recorded = read_json(run.fetch(DATASET_FILE))["digest"]
    if recorded != dataset.digest:
        raise DataError(
            f"the data of {dataset.name} have changed since the run began (digest {recorded} then, "
            f"{dataset.digest} now); bring the old data back, or start a new run without --resume."
        )


def last_checkpoint(run: Run) -> Path:
    """Returns the last checkpoint of a run, downloaded where it is not on this machine."""
    return run.fetch(LAST)
