"""What a report is about: a run, a study, or all runs of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

from cnnexp.errors import TrackingError, did_you_mean
from cnnexp.results.recorded import Recorded
from cnnexp.tracking.model_uri import is_model_uri
from cnnexp.tracking.opening import tracking_errors
from cnnexp.tracking.rows import read_row, rows_where
from cnnexp.tracking.search import ONE_OF_ALL, AmbiguousRunError, RunRow, experiment_names
from cnnexp.tracking.store import Store

Kind = Literal["run", "study", "experiment"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NOT_TRIALS = "tags.kind != 'trial'"


@dataclass(frozen=True, slots=True)
class Topic:
    """What a report is about.

    Attributes:
        kind: of what was named.
        name: as a title.
        recorded: the run, or the study's own; None of an experiment.
        rows: the runs of an experiment, trials of studies left out.
    """

    kind: Kind
    name: str
    recorded: Recorded | None = None
    rows: tuple[RunRow, ...] = ()


def find_topic(store: Store, text: str, kind: Kind | None = None) -> Topic:
    """Returns what is meant by a run's id or name, a study's name, or an experiment's.

    Args:
        store: where it is.
        text: see `find_run`, and names of studies and experiments.
        kind: the only one that is looked for; None: all.

    Raises:
        TrackingError: nothing has that name, or things of several kinds have.
    """
    asked = KINDS if kind is None else (kind,)
    studies = studies_of(store) if "study" in asked else {}
    found: dict[Kind, str] = {}
    ambiguous: AmbiguousRunError | None = None
    try:
        found = _named(store, text, asked, studies)
    except AmbiguousRunError as error:
        ambiguous, found = error, _named(store, text, [one for one in asked if one != "run"], studies)
    if not found:
        raise ambiguous or _unknown(store, text, asked, studies)
    if len(found) > 1 or ambiguous:
        kinds = [name for name in KINDS if name in found or (name == "run" and ambiguous)]
        raise TrackingError(
            f"{text!r} is the name of {' and of '.join(_with_article(one) for one in kinds)}; say which with "
            f"{' or '.join(f'--kind {one}' for one in kinds)}."
        )
    ((which, key),) = found.items()
    if which == "experiment":
        return Topic(which, text, rows=tuple(rows_where(store, NOT_TRIALS, experiment=text)))
    recorded = Recorded(store, read_row(store, key))
    return Topic(which, text if which == "study" else recorded.label, recorded)


def _named(store: Store, text: str, asked: Sequence[Kind], studies: Mapping[str, str]) -> dict[Kind, str]:
    """Returns the ids of run and study, and the name of the experiment, that are called so."""
    found: dict[Kind, str] = {}
    if "run" in asked:
        try:
            found["run"] = store.find_run(text)
        except AmbiguousRunError:
            raise
        except TrackingError:
            if text in ONE_OF_ALL or is_model_uri(text):  # nothing else is called so
                raise
    if text in studies:
        if found.get("run") == studies[text]:
            del found["run"]  # a study's own run has its name
        found["study"] = studies[text]
    if "experiment" in asked and text in _experiments(store):
        found["experiment"] = text
    return found


def studies_of(store: Store) -> dict[str, str]:
    """Returns the ids of the own runs of studies and sweeps by their names; of several the newest."""
    rows = rows_where(store, f"tags.study != '' and {NOT_TRIALS}")
    return {row.tags["study"]: row.run_id for row in rows}


def _experiments(store: Store) -> set[str]:
    with tracking_errors("experiments cannot be listed"):
        return set(experiment_names(store.client).values())


def _unknown(store: Store, text: str, asked: tuple[Kind, ...], studies: dict[str, str]) -> TrackingError:
    experiments = sorted(_experiments(store)) if "experiment" in asked else []
    runs: list[str] = []
    if "run" in asked:
        with suppress(TrackingError):
            runs = [row.name for row in store.recent_runs(1000)]
    known = {"run": runs, "study": sorted(studies), "experiment": experiments}
    hint = did_you_mean(text, [name for names in known.values() for name in names])
    lists = [
        f"{'Studies' if one == 'study' else 'Experiments'}: {', '.join(known[one]) or 'none'}."
        for one in asked
        if one != "run"
    ]
    if "run" in asked:
        lists.append("`cnnexp runs` lists the runs.")
    return TrackingError(f"no {' or '.join(asked)} {text!r} in this store{hint} {' '.join(lists)}")


def _with_article(kind: Kind) -> str:
    return f"{'an' if kind == 'experiment' else 'a'} {kind}"
