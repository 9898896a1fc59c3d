"""Several runs on one page: those of an experiment, or the children of one parent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cnnexp.errors import TrackingError
from cnnexp.experiment.names import CHILD, TEST_ACCURACY, VAL_ACCURACY
from cnnexp.experiment.statistics import spread_of
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.drawing import MOST_OVERLAID, overlaid_curves, spread_curves
from cnnexp.results.report.elements import Cell, Figure, Table, number, percent, word
from cnnexp.results.report.section import Section
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import Store

MOST_PARAMS = 8  # columns of what differs
# Not what a run was asked for, or in a column of its own.
_OWN_COLUMN = {"model", "dataset", "num_parameters", "macs", "num_trainable_parameters", "run_name"}


def experiment_sections(store: Store, rows: Sequence[RunRow]) -> list[Section]:
    """Returns the sections of an experiment: its runs, best first, and their curves."""
    ranked = best_first(rows)
    trained = [row for row in ranked if VAL_ACCURACY in row.metrics]
    sentences = [f"{len(rows)} runs, {len(trained)} of them with a finished epoch; the best comes first."]
    sentences.append("The page of one of them is made by: cnnexp report ID")
    tables = [runs_table(ranked, "Runs of the experiment")]
    sections = [Section("runs", "Runs", sentences, tables)]
    drawn = _overlaid(store, trained, name=lambda row: f"{row.name} ({row.run_id[:4]})")
    return [*sections, *([drawn] if drawn else [])]


def children_sections(store: Store, kind: str, rows: Sequence[RunRow]) -> list[Section]:
    """Returns the sections of a parent: its children, their mean and spread, and their curves."""
    tables = [runs_table(rows, "The runs that belong to this one")]
    trained = [row for row in rows if VAL_ACCURACY in row.metrics]
    sentences = spreads(trained) if kind == "seeds" else []
    name = "Seeds" if kind == "seeds" else "Runs"
    sections = [Section("runs", name, sentences, tables)]
    if kind == "seeds":
        drawn = spread_curves([_epochs(store, row) for row in trained])
        curves = Section("spread", "Curves of all seeds", figures=[drawn]) if drawn else None
    else:
        curves = _overlaid(store, best_first(trained), name=lambda row: row.tags.get(CHILD, row.name))
    return [*sections, *([curves] if curves else [])]


def best_first(rows: Sequence[RunRow]) -> list[RunRow]:
    """Returns runs by validation accuracy; those without come last."""
    return sorted(rows, key=lambda row: -row.metrics.get(VAL_ACCURACY, -1.0))


def spreads(rows: Sequence[RunRow]) -> list[str]:
    """Returns mean, standard deviation and 95 % interval of what runs of several seeds found, in words."""
    sentences = []
    for name, metric in (("Test accuracy", TEST_ACCURACY), ("Best validation accuracy", VAL_ACCURACY)):
        values = [row.metrics[metric] for row in rows if metric in row.metrics]
        if not values:
            continue
        found = spread_of(values, share=True)
        about = "of the only seed that has one"
        if found.interval is not None:
            low, high = (f"{100 * end:.2f}" for end in found.interval)
            about = f"(mean ± sd of {len(values)} seeds; 95 % t interval of the mean {low} to {high} %)"
        sentences.append(f"{name}: {found.text(100.0, 2)} % {about}.")
    return sentences


def runs_table(rows: Sequence[RunRow], caption: str) -> Table:
    """Returns a row per run: what it was, what it found, what differs."""
    differing = _differing(rows)
    has_child = any(CHILD in row.tags for row in rows)
    header = ["run", *(["which"] if has_child else []), "model", "data set", "val. acc. (%)", "test acc. (%)"]
    header += ["best epoch", *differing, "parameters", "seconds", "ended", "id"]
    return Table(caption, header, [_run_row(row, differing, has_child=has_child) for row in rows])


def _run_row(row: RunRow, differing: Sequence[str], *, has_child: bool) -> list[Cell]:
    return [
        Cell(row.name or row.run_id[:8], is_marked=True),
        *([word(row.tags.get(CHILD, ""))] if has_child else []),
        word(row.params.get("model", "")),
        word(row.params.get("dataset", "")),
        percent(row.metrics.get(VAL_ACCURACY)),
        percent(row.metrics.get(TEST_ACCURACY)),
        number(row.metrics.get("best/epoch")),
        *(_param(row.params.get(name)) for name in differing),
        _param(row.params.get("num_parameters"), form=",.0f"),
        number(row.seconds, ",.0f"),
        word(row.outcome or row.status.lower()),
        word(row.run_id[:8]),
    ]


def _differing(rows: Sequence[RunRow]) -> list[str]:
    """Returns the params that are not the same in all trained runs, the first eight."""
    trained = [row for row in rows if "model" in row.params]
    names = sorted({name for row in trained for name in row.params} - _OWN_COLUMN)
    names = [name for name in names if not name.startswith("best.")]  # of a study's best trial
    differing = [name for name in names if len({row.params.get(name) for row in trained}) > 1]
    return differing[:MOST_PARAMS]


def _param(text: str | None, *, form: str = "g") -> Cell:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return word(text)
    return number(value, form)


def _overlaid(store: Store, rows: Sequence[RunRow], *, name: Callable[[RunRow], str]) -> Section | None:
    best = rows[:MOST_OVERLAID]
    few = f"the best {len(best)} of {len(rows)} runs" if len(best) < len(rows) else f"{len(rows)} runs"
    drawn: Figure | None = overlaid_curves({name(row): _epochs(store, row) for row in best}, about=few)
    return Section("overlaid", "Curves", figures=[drawn]) if drawn else None


def _epochs(store: Store, row: RunRow) -> list[dict[str, float]]:
    try:
        return Recorded(store, row).epochs
    except TrackingError:
        return []
