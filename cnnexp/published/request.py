"""What is asked for beside the file, checked against it.

Nothing heavy is imported here: a refusal comes at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cnnexp.errors import UnknownNameError, UserError
from cnnexp.published.read import ExperimentFile
from cnnexp.settings import Given, from_environment

# Of this machine and place, not of the experiment: taken from the environment, left out of the digest.
OF_THE_PLACE = (
    "tracking_uri", "experiment", "data_dir", "device", "threads", "cache", "workers", "memory_budget",
)  # fmt: skip
TRAIN_IMAGES = "train_images"  # of one arm's reduction; no setting of a run


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for beside the file.

    Attributes:
        quick: the reduced form.
        seeds: None: as the form has it.
        arms: these only; empty: all of the form.
        datasets: role to data set; a set without a role is for the only one there is.
        place: settings in OF_THE_PLACE.
        override: settings of every arm, over all others.
    """

    quick: bool = False
    seeds: int | None = None
    arms: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    place: Mapping[str, Given] | None = None
    override: Mapping[str, Given] | None = None


def reduction_of(file: ExperimentFile, arm: str) -> list[dict[str, Given]]:
    """Returns the layers of settings that the reduced form lays over those of an arm."""
    of_arm = file.given("quick", "arm_settings", arm) if arm in file.experiment.quick.arm_settings else {}
    of_arm.pop(TRAIN_IMAGES, None)
    return [file.given("quick", "settings"), of_arm]


def check_request(file: ExperimentFile, request: Request) -> None:
    """Refuses what no machine and no data could make possible.

    Raises:
        UserError: a number or a name is wrong.
    """
    if seeds_of(file, request) < 1:
        raise UserError(
            f"--seeds {request.seeds} must be at least 1; leave it out for the experiment's own number."
        )
    chosen_arms(file, request)
    given_datasets(file, request)


def seeds_of(file: ExperimentFile, request: Request) -> int:
    """Returns how many seeds every arm has."""
    if request.seeds is not None:
        return request.seeds
    return file.experiment.quick.seeds if request.quick else file.experiment.seeds


def chosen_arms(file: ExperimentFile, request: Request) -> tuple[str, ...]:
    """Returns the names of the arms that are run.

    Raises:
        UnknownNameError: the file has no such arm.
    """
    names = tuple(arm.name for arm in file.experiment.arms)
    for name in request.arms:
        if name not in names:
            raise UnknownNameError("arm", name, names)
    return request.arms or (file.experiment.quick.arms if request.quick else ()) or names


def roles_in_use(file: ExperimentFile, request: Request) -> set[str]:
    """Returns the roles of the data that are needed."""
    chosen, race = chosen_arms(file, request), file.experiment.race
    of_race = {race.data} if race is not None and not request.arms else set()
    return {arm.data for arm in file.experiment.arms if arm.name in chosen} | of_race


def given_datasets(file: ExperimentFile, request: Request) -> dict[str, str]:
    """Returns the data sets that are given in place of the file's, by role.

    Raises:
        UserError: there is no such role, or it is not clear which is meant.
    """
    found: dict[str, str] = {}
    roles, known = roles_in_use(file, request), list(file.experiment.data)
    for text in request.datasets:
        role, sign, name = text.partition("=")
        if not sign:
            if len(roles) > 1:
                raise UserError(
                    f"--dataset {text}: {file.name} has several data sets; say which, such as --dataset "
                    f"{min(roles)}={text} (of {', '.join(sorted(roles))})."
                )
            role, name = next(iter(roles)), text
        if role not in known:
            raise UnknownNameError("data set of the experiment", role, known)
        found[role] = name
    return found


def place_of(request: Request) -> dict[str, Given]:
    """Returns the settings of this machine and place: of the environment, and given now."""
    environment = {name: one for name, one in from_environment().items() if name in OF_THE_PLACE}
    return {**environment, **(request.place or {})}
