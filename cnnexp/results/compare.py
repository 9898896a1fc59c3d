"""`cnnexp.compare`: what the command and a notebook both call.

groups of runs -> the settings that differ -> every pair tested -> sentences. Nothing is evaluated anew: test
predictions are those that each run recorded when it ended.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from cnnexp.errors import UserError
from cnnexp.experiment.names import TEST_ACCURACY, VAL_ACCURACY
from cnnexp.experiment.statistics import Difference, welch
from cnnexp.results.groups import (
    RunGroup,
    few,
    first_trainings,
    grouped_by,
    groups_of_experiment,
    groups_of_runs,
    groups_of_study,
    is_search,
    on_dataset,
)
from cnnexp.results.recorded import Recorded
from cnnexp.results.statistics import Paired, Shares, corrected, mcnemar, paired
from cnnexp.tracking.run import LOOK
from cnnexp.tracking.store import Store, open_store

SIGNIFICANT = 0.05
_ALL_PAIRS = 5  # groups: of more, only the pairs with the leader are shown


@dataclass(frozen=True, slots=True)
class Pair:
    """Two groups; the first has the higher accuracy.

    Attributes:
        first, second: which.
        over_runs: the difference of their mean accuracies, tested over seeds.
        over_images: the same on the same test images; None where those differ or there are none.
        p: of the test over seeds, or for two single runs of McNemar's; None where neither can be done.
        p_corrected: for the number of all pairs.
    """

    first: RunGroup
    second: RunGroup
    over_runs: Difference
    over_images: Paired | None
    p: float | None
    p_corrected: float | None = None

    @property
    def is_told(self) -> bool:
        """True where the first is better beyond the chance of seeds, and of images where they are known."""
        if self.p_corrected is None or self.p_corrected >= SIGNIFICANT:
            return False
        return self.over_images is None or self.over_images.interval[0] > 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, and what can be said of it.

    Attributes:
        groups: the best first.
        metric: `test/accuracy`, or `best/val_accuracy` for the trials of a study.
        pairs: every pair, or of more than five groups those with the leader.
        num_pairs: that p is corrected for.
        same_images: whether all were tested on the same images.
        test_part: which images, and how many times they were looked at; empty for a study.
        notes: what to bear in mind.
        store: that the runs are in.
        is_searched: the runs are trials that a sampler chose: nothing is tested.
    """

    groups: tuple[RunGroup, ...]
    metric: str
    pairs: tuple[Pair, ...]
    num_pairs: int
    same_images: bool
    test_part: str
    notes: tuple[str, ...]
    store: Store
    is_searched: bool = False

    @property
    def sentences(self) -> tuple[str, ...]:
        """Which is better, by how much, or that this data cannot say."""
        from cnnexp.results.verdict import sentences_of

        return sentences_of(self)


def compare(
    *runs: str,
    study: str | None = None,
    experiment: str | None = None,
    dataset: str | None = None,
    group_by: str | None = None,
    anyway: bool = False,
    tracking_uri: str | None = None,
) -> Comparison:
    """Compares finished runs: by test accuracy where they were tested, trials of a study by validation.

    Args:
        *runs: ids, unique prefixes, names, `last`, `best`, model URIs; a run of several seeds is one group.
        study: compares the trials of this study or sweep, in place of runs.
        experiment: compares the tested runs of this experiment, in place of runs.
        dataset: of an experiment, only runs on this data set: its name, or the start of its digest.
        group_by: a setting; runs of equal value of it are one group.
        anyway: compares runs of different data.
        tracking_uri: MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.

    Returns:
        Groups, tested pairs and sentences; `results.compare_tables` and `compare_figures` show them.

    Raises:
        UserError: there is nothing to compare, or what there is cannot be compared.
    """
    if sum((bool(runs), study is not None, experiment is not None)) != 1:
        raise UserError("give either runs, or --study, or --experiment to compare.")
    if dataset is not None and experiment is None:
        raise UserError(
            "--dataset chooses among the runs of an experiment; give --experiment, or leave it out."
        )
    store = open_store(tracking_uri, make=False)
    if study is not None:
        groups = groups_of_study(store, study)
    elif experiment is not None:
        groups = groups_of_experiment(store, experiment)
        groups = groups if dataset is None else on_dataset(groups, dataset)
    else:
        groups = groups_of_runs(store, runs)
    notes: list[str] = []
    if experiment is not None or group_by is not None:
        groups, notes = first_trainings(groups)
    if group_by is not None:
        groups = grouped_by(groups, group_by)
    if len(groups) < 2:  # noqa: PLR2004
        raise UserError(f"only {groups[0].label!r} is there; a comparison needs two or more.")
    if experiment is not None and not anyway:
        refuse_several_datasets(groups)
    metric = TEST_ACCURACY if study is None else VAL_ACCURACY
    is_searched = study is not None and is_search(store, study)
    return compare_groups(groups, store, metric=metric, is_searched=is_searched, anyway=anyway, notes=notes)


def refuse_several_datasets(groups: Sequence[RunGroup]) -> None:
    """Runs of an experiment were not named one by one: which data sets there are is what must be said.

    Raises:
        UserError: there are several.
    """
    runs = [one for group in groups for one in group.runs]
    counts = Counter((_name_of(one), one.data.digest) for one in runs)
    if len(counts) < 2:  # noqa: PLR2004
        return
    names = [name for name, _ in counts]
    sizes = {(_name_of(one), one.data.digest): sum(one.data.images.values()) for one in runs}
    listed = "; ".join(
        f"{name} ({count} run{'s' if count > 1 else ''}, {sizes[name, digest]:,} images, {digest[:15]})"
        for (name, digest), count in counts.most_common()
    )
    (most_used, digest), _ = counts.most_common(1)[0]
    which = most_used if names.count(most_used) == 1 else digest[:15]
    raise UserError(
        f"the runs are of different data: {listed}. --dataset {which}, say, compares those of one; "
        "--anyway compares all the same."
    )


def compare_groups(
    groups: Sequence[RunGroup],
    store: Store,
    *,
    metric: str,
    is_searched: bool = False,
    anyway: bool = False,
    notes: Sequence[str] = (),
) -> Comparison:
    """Compares two groups of runs or more.

    Args:
        groups: in any order.
        store: that the runs are in.
        metric: `test/accuracy`, or `best/val_accuracy` of trials, which have no test part.
        is_searched: a sampler chose the runs: they are no independent draws, and nothing is tested.
        anyway: also where the data differ.
        notes: what is known already and to be borne in mind.

    Raises:
        UserError: the data differ.
    """
    is_study = metric != TEST_ACCURACY
    groups = sorted(groups, key=lambda group: -fmean(group.values(metric)))
    is_same = not is_study and same_images(groups, anyway=anyway)
    pairs, count = _pairs(groups, metric, is_same=is_same, is_searched=is_searched)
    return Comparison(
        groups=tuple(groups),
        metric=metric,
        pairs=tuple(pairs),
        num_pairs=count,
        same_images=is_same,
        test_part="" if is_study else _test_part(groups, is_same=is_same),
        notes=(*notes, *_notes(groups, is_same=is_same, is_study=is_study)),
        store=store,
        is_searched=is_searched,
    )


def same_images(groups: Sequence[RunGroup], *, anyway: bool) -> bool:
    """Tells whether all runs were tested on the same images.

    With `anyway` equal rows and labels of a data set of one name count as the same images: the same photos in
    another size, say.

    Raises:
        UserError: the data differ, and they are not to be compared anyway.
    """
    runs = [one for group in groups for one in group.runs]
    digests = {one.data.digest for one in runs}
    if len(digests) > 1 and not anyway:
        listed = "; ".join(f"{group.label}: {_data_of(group)}" for group in groups[:10])
        raise UserError(f"the runs have different data ({listed}); --anyway compares them all the same.")
    first = runs[0]
    return all(
        one.data.name == first.data.name
        and one.data.class_names == first.data.class_names
        and np.array_equal(one.predictions.images, first.predictions.images)
        and np.array_equal(one.predictions.labels, first.predictions.labels)
        for one in runs[1:]
    )


def _data_of(group: RunGroup) -> str:
    found = {
        f"{_name_of(one)} {'×'.join(map(str, one.data.image))} {one.data.digest[:15]}" for one in group.runs
    }
    return " and ".join(sorted(found))


def _name_of(run: Recorded) -> str:
    """The data set as people call it: of a folder its name, not its whole path."""
    return run.row.params.get("dataset", run.data.name)


def _pairs(
    groups: Sequence[RunGroup], metric: str, *, is_same: bool, is_searched: bool
) -> tuple[list[Pair], int]:
    """Returns the pairs to show, their p corrected for all pairs that there are."""
    every = list(itertools.combinations(range(len(groups)), 2))
    shown = every if len(groups) <= _ALL_PAIRS else [pair for pair in every if pair[0] == 0]
    correct = [group.share_correct() for group in groups] if is_same else []
    values = [group.values(metric) for group in groups]
    differences = [
        Difference(fmean(first) - fmean(second)) if is_searched else welch(first, second)
        for first, second in itertools.combinations(values, 2)
    ]
    found_images = paired([(correct[one], correct[other]) for one, other in shown]) if is_same else []
    images = dict(zip(shown, found_images, strict=False))
    single = {pair for pair in every if is_same and all(len(groups[index].runs) == 1 for index in pair)}
    p_values = [
        _mcnemar(correct[pair[0]], correct[pair[1]]) if pair in single else found.p
        for pair, found in zip(every, differences, strict=True)
    ]
    known = [p for p in p_values if p is not None]
    by_rank = iter(corrected(known))
    adjusted = [None if p is None else next(by_rank) for p in p_values]
    are_shown = set(shown)
    pairs = [
        Pair(
            groups[one],
            groups[other],
            differences[place],
            images.get((one, other)),
            p_values[place],
            adjusted[place],
        )
        for place, (one, other) in enumerate(every)
        if (one, other) in are_shown
    ]
    return pairs, len(known)


def _mcnemar(first: Shares, second: Shares) -> float:
    return mcnemar(int((first > second).sum()), int((first < second).sum()))


def _test_part(groups: Sequence[RunGroup], *, is_same: bool) -> str:
    """Says which test images the numbers are of, and how many times those were looked at."""
    runs = [one for group in groups for one in group.runs]
    again = [f"{one.label} {one.row.tags[LOOK]} times" for one in runs if LOOK in one.row.tags]
    but = f" (but {', '.join(again)})" if again else ""
    if not is_same:
        return (
            f"Each of the {len(runs)} runs evaluated its own test part once, when it ended{but}; this "
            "comparison evaluates nothing anew."
        )
    digest, num_images = runs[0].data.digest[:15], len(runs[0].predictions.labels)
    return (
        f"Test part: {num_images:,} images of {_name_of(runs[0])} ({digest}), evaluated once by each of "
        f"the {len(runs)} runs, when it ended{but}; this comparison evaluates nothing anew."
    )


def _notes(groups: Sequence[RunGroup], *, is_same: bool, is_study: bool) -> list[str]:
    notes = []
    for group in groups:
        if group.copies:
            notes.append(
                f"of {group.label} runs of equal settings and seed count once; left out: {few(group.copies)}"
            )
        if group.differs_in:
            listed = ", ".join(group.differs_in[:6])
            notes.append(
                f"the runs of {group.label} differ also in {listed}: its spread is not that of seeds alone"
            )
    if not is_study and not is_same:
        notes.append("the test images are not the same for all: nothing is tested image by image")
    if not is_study and len(groups) > 2:  # noqa: PLR2004
        notes.append(
            "the best of many was chosen on the test part, so its own accuracy is a little too good: say it "
            "from new data"
        )
    if is_study:
        notes.append("validation accuracy is what the study chose by; its test part is not looked at")
    return notes
