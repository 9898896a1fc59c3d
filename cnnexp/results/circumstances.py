"""Under what a run was trained, and what of it is not the same here and now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cnnexp.errors import TrackingError
from cnnexp.experiment.names import read_json
from cnnexp.results.recorded import Recorded
from cnnexp.settings import Settings
from cnnexp.tracking import environment
from cnnexp.training.compute import available_devices

# In the order in which they are likely to change numbers.
Kind = Literal["versions", "threads", "device", "CPU model", "code", "data"]
_SHORT = 10  # characters of a commit


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not as it was.

    Attributes:
        kind: of what.
        then_and_now: as a sentence without its full stop.
    """

    kind: Kind
    then_and_now: str


def find_changes(recorded: Recorded, now: Settings, *, digest: str, folder: Path) -> list[Change]:
    """Returns what has changed since a run was trained, the likeliest to change numbers first.

    A run that was resumed has recorded its last session only.

    Args:
        recorded: the run.
        now: the settings that it is trained with again.
        digest: of its data set as it is now.
        folder: whose repository holds the code.
    """
    found = [
        *_versions(recorded),
        *_threads(recorded, now),
        *_device(recorded, now),
        *_cpu(recorded),
        *_code(recorded, folder),
    ]
    if digest != recorded.data.digest:
        found.append(Change("data", f"digest {recorded.data.digest} then, {digest} now"))
    return found


def device_here(recorded: Recorded) -> str:
    """Returns the device of a run where this machine has it, else `auto`."""
    device = recorded.settings.compute.device
    return device if device in available_devices() else "auto"


def _versions(recorded: Recorded) -> list[Change]:
    then, now = _facts(recorded, "packages.json"), environment.package_versions()
    if not then:
        return []
    changed = [
        f"{name} {then.get(name, 'missing')} then, {now.get(name, 'missing')} now"
        for name in [*then, *(name for name in now if name not in then)]
        if then.get(name) != now.get(name)
    ]
    return [Change("versions", "; ".join(changed))] if changed else []


def _threads(recorded: Recorded, now: Settings) -> list[Change]:
    was, is_now = recorded.settings.compute.threads, now.compute.threads
    return [Change("threads", f"{was} then, {is_now} now")] if was != is_now else []


def _device(recorded: Recorded, now: Settings) -> list[Change]:
    was, is_now = recorded.settings.compute.device, now.compute.device
    if was != is_now:
        here = ", ".join(available_devices())
        return [Change("device", f"{was} then, which is not here (this machine has {here})")]
    if was == "cpu":
        return []
    gpus, now_gpus = _facts(recorded, "machine.json").get("gpus"), environment.machine_facts().get("gpus")
    return [Change("device", f"{gpus} then, {now_gpus} now")] if gpus and gpus != now_gpus else []


def _cpu(recorded: Recorded) -> list[Change]:
    was, is_now = _facts(recorded, "machine.json").get("cpu"), environment.machine_facts()["cpu"]
    return [Change("CPU model", f"{was} then, {is_now} now")] if was and was != is_now else []


def _code(recorded: Recorded, folder: Path) -> list[Change]:
    commit, state = _text(recorded, "commit.txt").strip(), environment.git_state(folder)
    if not commit:  # the run was trained outside a repository: nothing was recorded
        return []
    if state is None:
        return [Change("code", f"commit {commit[:_SHORT]} then; this folder is in no repository")]
    if commit != state.commit:
        return [Change("code", f"commit {commit[:_SHORT]} then, {state.commit[:_SHORT]} now")]
    if _text(recorded, "uncommitted.diff") != state.diff:
        return [Change("code", "the same commit, other uncommitted changes")]
    return []


def _facts(recorded: Recorded, name: str) -> dict[str, str]:
    try:
        return read_json(recorded.file(f"environment/{name}"))
    except TrackingError:  # it was not recorded
        return {}


def _text(recorded: Recorded, name: str) -> str:
    try:
        return recorded.file(f"environment/{name}").read_text(encoding="utf-8")
    except TrackingError:
        return ""
