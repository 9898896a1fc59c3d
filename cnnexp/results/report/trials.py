"""The trials of a study or of a sweep: one table for both, and the one that is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cnnexp.errors import TrackingError
from cnnexp.experiment.names import read_json
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.elements import Cell, Table, mean_cell, number, percent, word
from cnnexp.results.report.run_tables import written
from cnnexp.tracking.rows import children_of
from cnnexp.tracking.search import RunRow

HEADINGS = {"val/accuracy": "val. acc. (%)", "val/loss": "val. loss"}  # of objectives; others as they are


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial as it was recorded.

    Attributes:
        number: of the trial.
        state: COMPLETE, PRUNED, FAIL.
        values: of the objectives; empty where it has none.
        params: what varied.
        facts: parameters, MACs, seconds, ...
        reason: why it ended.
        run_id: of its run; empty where it has none.
        seed: of its run; empty where that is gone.
    """

    number: int
    state: str
    values: Sequence[float]
    params: Mapping[str, Any]
    facts: Mapping[str, float]
    reason: str
    run_id: str
    seed: str


def content_of(recorded: Recorded, path: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Returns a JSON file of a run; None where it has none of that name."""
    with suppress(TrackingError):
        return read_json(recorded.file(path))
    return None


def trials_of(recorded: Recorded) -> list[Trial]:
    """Returns the trials of a study or sweep by their numbers; none where it has not come to its end."""
    rows = {row.run_id: row for row in children_of(recorded.store, recorded.run_id)}
    of_study, cells = (content_of(recorded, f"study/{name}.json") for name in ("trials", "cells"))
    if of_study is not None:
        return [_of_study(one, rows) for one in of_study]
    found = [_of_cell(cell, repeat, rows) for cell in cells or () for repeat in cell["run_ids"]]
    names = list(cells[0]["params"]) if cells else []
    found += [_failed(row, names) for row in rows.values() if row.tags.get("trial_state") == "FAIL"]
    return sorted(found, key=lambda trial: trial.number)


def best_of(recorded: Recorded, trials: Sequence[Trial]) -> Trial | None:
    """Returns the best trial: of a sweep the best seed of the combination with the best mean."""
    number = recorded.row.tags.get("best_trial")
    if number is not None:
        return next((trial for trial in trials if str(trial.number) == number), None)
    cells = content_of(recorded, "study/cells.json")
    ids = cells[0]["run_ids"].values() if cells else ()  # the best combination comes first
    of_cell = [trial for trial in trials if trial.run_id in ids and trial.values]
    return max(of_cell, key=lambda trial: trial.values[0], default=None)


def trials_table(
    trials: Sequence[Trial], names: Sequence[str], objectives: Sequence[str], best: Trial | None
) -> Table:
    """Returns a row per trial: state, values, what varied, seed, size, time, run, why it ended.

    Args:
        trials: in the order they are shown.
        names: of what varied.
        objectives: of the study.
        best: in bold.
    """
    are_numbers = {name: any(_is_number(trial.params.get(name)) for trial in trials) for name in names}
    rows = []
    for trial in trials:
        values: Sequence[float | None] = trial.values or [None] * len(objectives)
        rows.append(
            [
                Cell(str(trial.number), trial.number, is_number=True, is_marked=trial is best),
                word(trial.state.lower()),
                *(_measured(name, value) for name, value in zip(objectives, values, strict=True)),
                *(value_cell(trial.params.get(name), is_number=are_numbers[name]) for name in names),
                Cell(trial.seed, float(trial.seed) if trial.seed else None, is_number=True),
                number(trial.facts.get("parameters")),
                number(trial.facts.get("seconds"), ".1f"),
                word(trial.run_id[:8]),
                word(trial.reason),
            ]
        )
    titles = [HEADINGS.get(name, name) for name in objectives]
    header = ("trial", "state", *titles, *names, "seed", "parameters", "seconds", "run", "why it ended")
    return Table(f"{len(rows)} trials; the best one in bold", header, rows)


def combinations_table(cells: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    """Returns a row per combination of a sweep, the best first: mean ± sd over its seeds."""
    are_numbers = {name: any(_is_number(cell["params"][name]) for cell in cells) for name in names}
    header = [*names, "val. acc. (%)", "seconds", "parameters", "MACs per image", "seeds"]
    is_noted = any(cell["note"] for cell in cells)
    rows = [
        [
            *(value_cell(cell["params"][name], is_number=are_numbers[name]) for name in names),
            mean_cell(list(cell["accuracies"].values()), factor=100.0, digits=2, share=True),
            mean_cell(list(cell["seconds"].values()), digits=1),
            number(cell["facts"].get("parameters")),
            number(cell["facts"].get("macs")),
            number(len(cell["accuracies"])),
            *([word(cell["note"])] if is_noted else []),
        ]
        for cell in cells
    ]
    caption = "Every combination, the best first; mean ± standard deviation over its seeds"
    return Table(caption, [*header, *(["why seeds are missing"] if is_noted else [])], rows)


def value_cell(value: object, *, is_number: bool) -> Cell:
    """Returns a cell of what varied; a missing one sorts last among numbers."""
    if value is None and is_number:
        return number(None)
    if isinstance(value, int | float) and _is_number(value):
        return number(value, ".4g" if isinstance(value, float) else ".0f")
    return word(written(value))


def _of_study(one: Mapping[str, Any], rows: Mapping[str, RunRow]) -> Trial:
    names = ("number", "state", "values", "params", "facts", "reason")
    run_id = one.get("run_id", "")
    return Trial(**{name: one[name] for name in names}, run_id=run_id, seed=_seed_of(rows.get(run_id)))


def _of_cell(cell: Mapping[str, Any], repeat: str, rows: Mapping[str, RunRow]) -> Trial:
    run_id = cell["run_ids"][repeat]
    row = rows.get(run_id)
    return Trial(
        number=int(row.tags.get("trial_number", -1)) if row else -1,
        state="COMPLETE",
        values=[cell["accuracies"][repeat]],
        params=cell["params"],
        facts=cell["facts"] | {"seconds": cell["seconds"][repeat]},
        reason=row.reason if row else "",
        run_id=run_id,
        seed=_seed_of(row),
    )


def _failed(row: RunRow, names: Sequence[str]) -> Trial:
    """Returns a trial of a sweep that its combinations leave out."""
    params = {name: row.params.get(name) for name in names}
    number = int(row.tags.get("trial_number", -1))
    return Trial(number, "FAIL", [], params, {}, row.reason, row.run_id, _seed_of(row))


def _seed_of(row: RunRow | None) -> str:
    return "" if row is None else row.params.get("seed", "")


def _measured(name: str, value: float | None) -> Cell:
    return percent(value) if name == "val/accuracy" else number(value, ",.4g")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
