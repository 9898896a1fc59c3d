"""Several runs on one page: those of an experiment, or the children of one parent, by their data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cnnexp.errors import TrackingError
from cnnexp.experiment.names import TEST_ACCURACY, VAL_ACCURACY
from cnnexp.experiment.statistics import spread_of
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.arms import Arm, arms_of, differing_params
from cnnexp.results.report.drawing import MOST_OVERLAID, overlaid_curves, spread_curves
from cnnexp.results.report.elements import NOTHING, Cell, Figure, Table, mean_cell, number, percent, word
from cnnexp.results.report.section import Section
from cnnexp.tracking.search import RunRow
from cnnexp.tracking.store import Store

MOST_PARAMS = 8  # settings that differ
_MOST_COLUMNS = 3  # of such settings; more stand together in one
# Columns that are left out where they would say the same of every run: the caption says it once.
_SAID_ONCE = ("seed", "model", "parameters", "ended")
_PAGE_OF_ONE = "The page of one of them is made by: cnnexp report ID"


def experiment_sections(store: Store, rows: Sequence[RunRow]) -> list[Section]:
    """Returns the sections of an experiment: its trainings by data set, best first, then all other runs."""
    trained = [
        row for row in rows if row.tags.get("kind", "run") in ("run", "study") and "dataset" in row.params
    ]
    others = [row for row in rows if row not in trained]
    sections = _by_dataset(store, trained)
    if others:
        table = _others_table(others)
        about = "Parents of several seeds, sweeps, comparisons, evaluations, and runs that trained nothing."
        sections.append(Section("others", "Other runs", [about], [table]))
    return sections


def children_sections(store: Store, kind: str, rows: Sequence[RunRow]) -> list[Section]:
    """Returns the sections of a parent: its children, their mean and spread, and their curves."""
    trained = [row for row in rows if VAL_ACCURACY in row.metrics]
    if kind != "seeds":
        return _by_dataset(store, [row for row in rows if "dataset" in row.params])
    tables = [runs_table(rows, "The runs that belong to this one")]
    drawn = spread_curves([_epochs(store, row) for row in trained])
    curves = [Section("spread", "Curves of all seeds", figures=[drawn])] if drawn else []
    return [Section("runs", "Seeds", [*spreads(trained), _PAGE_OF_ONE], tables), *curves]


def _by_dataset(store: Store, rows: Sequence[RunRow]) -> list[Section]:
    """Accuracies on two data sets say nothing of each other: each set has its own ranking and curves."""
    datasets = Counter(row.params["dataset"] for row in rows).most_common()
    sections = []
    for place, (dataset, count) in enumerate(datasets, start=1):
        of_it = best_first([row for row in rows if row.params["dataset"] == dataset])
        arms = arms_of(of_it)
        settings = f" of {len(arms)} settings" if len(arms) < count else ""
        runs = f"{count} run{'s' if count > 1 else ''}{settings}"
        about = [f"{runs}; the best comes first, by validation accuracy."]
        about += [_PAGE_OF_ONE] if place == 1 else []
        tables = _tables(of_it, arms)
        anchor = "runs" if len(datasets) == 1 else f"runs-{place}"
        drawn = _overlaid(store, arms, name=f"{anchor}-curves")
        figures = [drawn] if drawn else []
        sections.append(Section(anchor, f"Runs on {dataset}", about, tables, figures))
    return sections


def _tables(rows: Sequence[RunRow], arms: Sequence[Arm]) -> list[Table]:
    """Returns the runs, and before them what was trained with several seeds by its means."""
    differing = differing_params(rows, MOST_PARAMS)
    if len(arms) == len(rows):
        return [runs_table(rows, "The runs, best first", differing)]
    return [_arms_table(arms, differing), runs_table(rows, "Every run, best first")]


def _arms_table(arms: Sequence[Arm], differing: Sequence[str]) -> Table:
    first = [arm.rows[0] for arm in arms]
    columns = {
        "trained": [Cell(arm.label, is_marked=True) for arm in arms],
        "runs": [number(len(arm.rows)) for arm in arms],
        "val. acc. (%)": [mean_cell(arm.values(VAL_ACCURACY), factor=100.0, share=True) for arm in arms],
        "test acc. (%)": [mean_cell(arm.values(TEST_ACCURACY), factor=100.0, share=True) for arm in arms],
        **_differing_columns(first, differing),
        "parameters": [_param(row.params.get("num_parameters"), form=",.0f") for row in first],
    }
    caption = "Mean ± standard deviation of the runs that differ in the seed alone"
    return Table(caption, tuple(columns), list(zip(*columns.values(), strict=True)))


def _differing_columns(rows: Sequence[RunRow], names: Sequence[str]) -> dict[str, list[Cell]]:
    """Returns a column per setting, or of many settings one that holds all: a page is only so wide."""
    if len(names) <= _MOST_COLUMNS:
        return {name.removeprefix("model."): [_param(row.params.get(name)) for row in rows] for name in names}
    texts = [
        ", ".join(f"{name.removeprefix('model.')} {row.params[name]}" for name in names if name in row.params)
        for row in rows
    ]
    return {"settings that differ": [word(text) for text in texts]}


def _others_table(rows: Sequence[RunRow]) -> Table:
    header = ("run", "kind", "ended", "seconds", "id")
    cells = [
        [
            Cell(row.name or row.run_id[:8], is_marked=True),
            word(row.tags.get("kind", NOTHING)),
            word(_ended(row)),
            number(row.seconds, ",.0f"),
            word(row.run_id[:8]),
        ]
        for row in rows
    ]
    return Table("Runs that are not ranked", header, cells)


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


def runs_table(rows: Sequence[RunRow], caption: str, differing: Sequence[str] = ()) -> Table:
    """Returns a row per run: what it was, what it found, and those of its settings that are asked for."""
    columns = {
        "run": [Cell(row.name or row.run_id[:8], is_marked=True) for row in rows],
        "seed": [_param(row.params.get("seed")) for row in rows],
        "model": [word(row.params.get("model", "")) for row in rows],
        "val. acc. (%)": [percent(row.metrics.get(VAL_ACCURACY)) for row in rows],
        "test acc. (%)": [percent(row.metrics.get(TEST_ACCURACY)) for row in rows],
        "best epoch": [number(row.metrics.get("best/epoch")) for row in rows],
        **_differing_columns(rows, differing),
        "parameters": [_param(row.params.get("num_parameters"), form=",.0f") for row in rows],
        "seconds": [number(row.seconds, ",.0f") for row in rows],
        "ended": [word(_ended(row)) for row in rows],
        "id": [word(row.run_id[:8]) for row in rows],
    }
    same = {
        name: columns[name][0].text for name in _SAID_ONCE if len({one.text for one in columns[name]}) == 1
    }
    said = ", ".join(f"{name} {text}" for name, text in same.items() if text not in ("", NOTHING))
    if said and len(rows) > 1:
        caption = f"{caption}; the same for all: {said}"
    elif len(rows) == 1:
        same = {}
    shown = {name: cells for name, cells in columns.items() if name not in same}
    return Table(caption, tuple(shown), list(zip(*shown.values(), strict=True)))


def _ended(row: RunRow) -> str:
    return row.outcome or row.status.lower()


def _param(text: str | None, *, form: str = "g") -> Cell:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return word(text)
    return number(value, form)


def _overlaid(store: Store, arms: Sequence[Arm], *, name: str) -> Figure | None:
    trained = [arm for arm in arms if arm.values(VAL_ACCURACY)]
    best = trained[:MOST_OVERLAID]
    about = "one run each" if all(len(arm.rows) == 1 for arm in best) else "mean and ± 1 sd of equal settings"
    if len(best) < len(trained):
        about += f", the best {len(best)} of {len(trained)}"
    epochs = {arm.label: [_epochs(store, row) for row in arm.rows] for arm in best}
    return overlaid_curves(epochs, about=about, name=name)


def _epochs(store: Store, row: RunRow) -> list[dict[str, float]]:
    try:
        return Recorded(store, row).epochs
    except TrackingError:
        return []
