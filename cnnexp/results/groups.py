"""What is compared: groups of runs, from names, from a study, or from an experiment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import TrackingError, UnknownNameError, UserError
from cnnexp.experiment.names import SEEDS_KIND, TEST_ACCURACY, VAL_ACCURACY
from cnnexp.results.recorded import REPRODUCES, Recorded, find_recorded
from cnnexp.tracking.rows import children_of, rows_where
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import PARENT, Store

SEED = "seed"
_MEASURED = ("num_parameters", "macs", "num_trainable_parameters")  # params that are no settings
_NO_MATTER = ("run_name", "figures", "log_model", *_MEASURED)  # to what is trained
_WITHOUT_TEST = ("sweep", "race", "bench", "comparison", "experiment")
_NOTHING = "–"
_LISTED = 6


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that are compared as one.

    Attributes:
        label: what tables call it.
        runs: one or more; those of a group by seeds differ in the seed alone.
        copies: labels of runs that were left out, for one of equal settings and seed is among the runs.
    """

    label: str
    runs: tuple[Recorded, ...]
    copies: tuple[str, ...] = ()

    def values(self, metric: str) -> list[float]:
        """Returns a metric of each run that has it."""
        return [one.row.metrics[metric] for one in self.runs if metric in one.row.metrics]

    def settings(self) -> dict[str, str]:
        """Returns each setting's value; several are listed."""
        names = dict.fromkeys(name for one in self.runs for name in one.row.params if name not in _MEASURED)
        return {name: ", ".join(_sorted({value_of(one.row, name) for one in self.runs})) for name in names}

    @property
    def differs_in(self) -> list[str]:
        """Settings beside the seed in which its runs differ."""
        names = [name for name in self.settings() if name not in (SEED, "run_name")]
        return [name for name in names if len({value_of(one.row, name) for one in self.runs}) > 1]

    def share_correct(self) -> NDArray[np.float64]:
        """Float64 (N,): of each test image the share of the runs that have it right."""
        shares: NDArray[np.float64] = np.mean([one.predictions.correct for one in self.runs], axis=0)
        return shares

    def matrix(self) -> NDArray[np.int64]:
        """Confusion matrix of the test part, int64 (K, K), summed over the runs."""
        counts: NDArray[np.int64] = np.sum([one.matrix for one in self.runs], axis=0)
        return counts


def groups_of_runs(store: Store, names: Sequence[str]) -> list[RunGroup]:
    """Returns a group per name: a single run, or the children of a run of several seeds.

    Raises:
        UserError: no such run, several, one named twice, or one without test predictions.
    """
    groups, seen = [], set()
    for name in names:
        found = find_recorded(store, name)
        if found.run_id in seen:
            raise UserError(f"run {name!r} is named twice; name each run once.")
        seen.add(found.run_id)
        groups.append(_group_of(store, found))
    return _with_own_labels(groups)


def groups_of_experiment(store: Store, experiment: str) -> list[RunGroup]:
    """Returns a group for each tested run of an experiment; seeds of one parent are one group.

    Raises:
        TrackingError: no such experiment.
        UserError: it has no tested run.
    """
    rows = [row for row in rows_where(store, "attributes.status = 'FINISHED'", experiment=experiment)
            if TEST_ACCURACY in row.metrics]  # fmt: skip
    parents = {row.run_id for row in rows if row.tags.get("kind") == SEEDS_KIND}
    alone = [
        row
        for row in rows
        if row.tags.get(PARENT) not in parents and row.tags.get("kind") in ("run", SEEDS_KIND)
    ]
    if not alone:
        raise UserError(f"experiment {experiment!r} has no run that was tested; `cnnexp train` makes some.")
    return _with_own_labels([_group_of(store, Recorded(store, row)) for row in alone])


def on_dataset(groups: Iterable[RunGroup], dataset: str) -> list[RunGroup]:
    """Returns the groups of runs on one data set.

    Args:
        groups: of an experiment.
        dataset: its name, or the start of its digest, where several have one name.

    Raises:
        UnknownNameError: no run is on it.
    """
    groups = list(groups)
    name_of = {group: group.runs[0].row.params.get("dataset", group.runs[0].data.name) for group in groups}
    kept = [
        group
        for group in groups
        if dataset == name_of[group] or group.runs[0].data.digest.startswith(dataset)
    ]
    if not kept:
        raise UnknownNameError("data set of --dataset", dataset, set(name_of.values()))
    return kept


def is_search(store: Store, study: str) -> bool:
    """Tells whether a sampler chose the trials of a study: those of a sweep are every combination."""
    rows = rows_where(store, f"{_of_study(study)} and tags.kind != 'trial'")
    kinds = {row.tags.get("kind") for row in rows}
    return kinds & {"study", "sweep"} != {"sweep"}


def groups_of_study(store: Store, study: str) -> list[RunGroup]:
    """Returns a group for each trial of a study or sweep that was trained to its end, best first.

    Raises:
        UserError: no such study, or no trial of it has ended.
    """
    store.experiment_of_study(study)  # its message lists the studies
    rows = rows_where(store, f"{_of_study(study)} and tags.kind = 'trial'")
    done = [row for row in rows if VAL_ACCURACY in row.metrics and row.tags.get("trial_state") == "COMPLETE"]
    if not done:
        raise UserError(f"study {study!r} has no trial that was trained to its end.")
    done.sort(key=lambda row: -row.metrics[VAL_ACCURACY])
    return [RunGroup(f"trial {row.tags['trial_number']}", (Recorded(store, row),)) for row in done]


def first_trainings(groups: Iterable[RunGroup]) -> tuple[list[RunGroup], list[str]]:
    """Returns the groups without runs that `cnnexp reproduce` made, and a note of those that are left out.

    Raises:
        UserError: there is nothing else.
    """
    groups = list(groups)
    kept = [group for group in groups if not any(REPRODUCES in one.row.tags for one in group.runs)]
    if not kept:
        raise UserError("all of these runs were made by `cnnexp reproduce`; compare those that they repeat.")
    left_out = [group.label for group in groups if group not in kept]
    if not left_out:
        return kept, []
    return kept, [f"left out as copies that `cnnexp reproduce` made: {few(left_out)}"]


def grouped_by(groups: Iterable[RunGroup], name: str) -> list[RunGroup]:
    """Returns runs of equal value of a setting as one group each, in order of the values.

    A run counts once, however often it was named, and so do runs of equal settings and seed.

    Raises:
        UnknownNameError: no run has that setting.
    """
    runs = list({one.run_id: one for group in groups for one in group.runs}.values())
    known = {param for one in runs for param in one.row.params if param not in ("run_name", *_MEASURED)}
    asked = name.replace("-", "_")
    asked = asked if asked in known else f"model.{asked}" if f"model.{asked}" in known else asked
    if asked not in known:
        raise UnknownNameError("setting of --group-by", name, known)
    values = _sorted({value_of(one.row, asked) for one in runs})
    short = asked.removeprefix("model.")
    return [
        _without_copies(
            value if asked == "model" else f"{short}={value}",
            [one for one in runs if value_of(one.row, asked) == value],
        )
        for value in values
    ]


def value_of(row: RunRow, name: str) -> str:
    """Returns a setting as text; a dash where the run does not have it."""
    return row.params.get(name, _NOTHING)


def _without_copies(label: str, runs: Sequence[Recorded]) -> RunGroup:
    """The same settings with the same seed train the same network: it is no second seed."""
    kept: dict[frozenset[tuple[str, str]], Recorded] = {}
    copies = []
    for one in runs:
        what = frozenset((name, value) for name, value in one.row.params.items() if name not in _NO_MATTER)
        if kept.setdefault(what, one) is not one:
            copies.append(one.label)
    return RunGroup(label, tuple(kept.values()), tuple(copies))


def few(labels: Sequence[str]) -> str:
    """Returns the first labels, and how many more there are."""
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return ", ".join(labels[:_LISTED]) + more


def _of_study(study: str) -> str:
    quote = '"' if "'" in study else "'"
    return f"tags.study = {quote}{study}{quote}"


def _group_of(store: Store, found: Recorded) -> RunGroup:
    kind = found.row.tags.get("kind", "")
    if kind == "trial":
        study = found.row.tags.get("study", "STUDY")
        raise UserError(
            f"run {found.label!r} is a trial of study {study!r}, which has no test predictions; "
            f"`cnnexp compare --study {study}` compares the validation accuracies of its trials."
        )
    if kind in _WITHOUT_TEST:
        way_out = (
            f"`cnnexp compare --study {found.row.tags.get('study')}` compares what it has trained."
            if kind == "sweep"
            else "name the runs below it."
        )
        raise UserError(f"run {found.label!r} is a {kind} and has no test predictions of its own; {way_out}")
    if kind != SEEDS_KIND:
        return RunGroup(found.label, (_tested(found),))
    children = [Recorded(store, row) for row in children_of(store, found.run_id) if row.status == "FINISHED"]
    if not children:
        raise UserError(
            f"run {found.label!r} has no seed that was trained to its end; "
            f"`cnnexp train --resume {found.run_id[:8]}` goes on with it."
        )
    return RunGroup(found.label, tuple(_tested(one) for one in children))


def _tested(found: Recorded) -> Recorded:
    try:
        _ = found.predictions
    except TrackingError as error:
        raise UserError(
            f"run {found.label!r} ({found.run_id[:8]}, {found.row.outcome or found.row.status}) has no test "
            "predictions: it was not trained to its end by `cnnexp train`; leave it out."
        ) from error
    return found


def _with_own_labels(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """Names are not unique: those that are not get the start of an id."""
    names = [group.label for group in groups]
    return [
        group
        if names.count(group.label) == 1
        else RunGroup(
            f"{group.label} ({group.runs[0].row.tags.get(PARENT, group.runs[0].run_id)[:8]})", group.runs
        )
        for group in groups
    ]


def _sorted(values: Iterable[str]) -> list[str]:
    """Numbers by size, words by the alphabet."""

    def key(text: str) -> tuple[int, float, str]:
        try:
            return (0, float(text), text)
        except ValueError:
            return (1, 0.0, text)

    return sorted(values, key=key)
