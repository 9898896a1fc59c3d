"""What a sweep's run holds at the end: the grid, tables, figures, and what can be said in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnexp.errors import TrackingError
from cnnexp.tracking.curves import curves_of_run
from cnnexp.tracking.store import Store
from cnnexp.tuning import tables
from cnnexp.tuning.compare import RULE, Cell, Effect, finding_of, seeds_of, text_of, whole_groups
from cnnexp.tuning.report import describe_plan
from cnnexp.tuning.result import SweepResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnexp.tuning.session import Ended

LOSS, ACCURACY = "val/loss", "val/accuracy"
Curves = Mapping[str, Sequence[float]]  # LOSS and ACCURACY by epoch
Series = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def record_sweep(ended: Ended, result: SweepResult) -> None:
    """Writes tables, figures and the description; the run stays open."""
    run, names = ended.run, result.varied
    assert run is not None
    run.set_tags({"kind": "sweep", "study": result.name})
    run.log_json({**describe_plan(ended.plan), "seeds": len(seeds_of(result.cells))}, "study/sweep.json")
    run.log_json([asdict(cell) for cell in result.cells], "study/cells.json")
    run.log_text(tables.csv_of(names, result.cells), "study/table.csv")
    run.log_text(tables.markdown_of(names, result.cells), "study/table.md")
    run.log_text(tables.latex_of(names, result.cells), "study/table.tex")
    best = result.cells[0].accuracy
    if best is not None:
        run.log_params({f"best.{name}": value for name, value in result.cells[0].params.items()})
        run.log_metrics({"study/best/val_accuracy": best[0]})
    if ended.plan.base.tracking.figures != "none":
        curves = curves_of(ended.store, result.cells)
        for name, figure in sweep_figures(result, curves).items():
            run.log_figure(figure, f"study/{name}.png")
    run.set_description(describe(result))


def describe(result: SweepResult) -> str:
    """Returns the sweep's description, in Markdown."""
    lines = [f"Sweep **{result.name}**: {result.outcome.reason}.", ""]
    lines += [f"- {sentence}" for sentence in result.sentences]
    lines += ["", RULE, "", tables.markdown_of(result.varied, result.cells)]
    if result.command:
        lines.append(f"Best cell: `{result.command}`")
    return "\n".join(lines)


def curves_of(store: Store, cells: Sequence[Cell]) -> dict[str, Curves]:
    """Returns the epochs of every trained run by its id; a run that is gone is absent."""
    found: dict[str, Curves] = {}
    for cell in cells:
        for run_id in cell.run_ids.values():
            with suppress(TrackingError):
                found[run_id] = curves_of_run(store, run_id, (LOSS, ACCURACY))
    return found


def sweep_figures(result: SweepResult, curves: Mapping[str, Curves]) -> dict[str, Figure]:
    """Returns the figures of a sweep by file name; those that have nothing to show are absent."""
    from cnnexp.figures import sweep as figures  # matplotlib is half a second

    drawn: dict[str, Figure] = {}
    trained = [cell for cell in result.cells if cell.accuracies]
    for effect in result.effects:
        series = series_of(effect, result.cells, curves)
        if series:
            drawn[f"curves_{effect.setting}"] = figures.curves_by_value(
                series, setting=effect.setting, about=_about(effect), title=finding_of(effect)
            )
    if trained:
        drawn["cells"] = figures.cell_bars(
            [_label(cell) for cell in trained],
            [list(cell.accuracies.values()) for cell in trained],
            [list(cell.seconds.values()) for cell in trained],
            title=_best_title(trained),
        )
    compared = [one for one in result.effects if one.second is not None]
    if compared:
        by_setting = {
            one.setting: {text_of(value): found for value, found in one.by_value.items()} for one in compared
        }
        drawn["main_effects"] = figures.main_effects(by_setting, title=_effects_title(compared))
    return drawn


def series_of(effect: Effect, cells: Sequence[Cell], curves: Mapping[str, Curves]) -> dict[str, Series]:
    """Returns for each value of a setting its mean curves with each seed, float (seeds, epochs).

    The mean is over the combinations of the other settings that have every value; curves of runs that ended
    early end all curves of their value, for a mean over those that remain would favour them.
    """
    groups, seeds = whole_groups(effect.setting, cells)
    series: dict[str, Series] = {}
    for value in effect.by_value:
        runs = [[group[value].run_ids[seed] for group in groups] for seed in seeds]
        if any(run_id not in curves for of_seed in runs for run_id in of_seed):
            continue
        epochs = min(len(curves[run_id][LOSS]) for of_seed in runs for run_id in of_seed)
        loss, accuracy = (
            np.array(
                [np.mean([curves[run_id][name][:epochs] for run_id in of_seed], axis=0) for of_seed in runs]
            )
            for name in (LOSS, ACCURACY)
        )
        series[text_of(value)] = (loss, accuracy)
    return series


def _label(cell: Cell) -> str:
    return " ".join(f"{name}={text_of(value)}" for name, value in cell.params.items())


def _best_title(trained: Sequence[Cell]) -> str:
    mean, sd = trained[0].accuracy or (0.0, None)
    spread = "" if sd is None else f" ± {100 * sd:.1f}"
    seeds = len(trained[0].accuracies)
    return (
        f"{_label(trained[0])} leads {len(trained)} cells: validation accuracy {100 * mean:.1f}{spread} % "
        f"({seeds} seed{'s' if seeds > 1 else ''})"
    )


def _about(effect: Effect) -> str:
    num_seeds = max(map(len, effect.by_value.values()))
    seeds = f"mean and ± 1 sd of {num_seeds} seeds" if num_seeds > 1 else "one seed"
    combinations = effect.num_combinations
    return f"{seeds}, over {combinations} combinations of the others" if combinations > 1 else seeds


def _effects_title(effects: Sequence[Effect]) -> str:
    def spread(effect: Effect) -> float:
        means = [fmean(one) for one in effect.by_value.values()]
        return max(means) - min(means)

    told = [one for one in effects if one.is_told]
    if not told and any(one.interval for one in effects):
        return "No best value can be told from the second by these seeds"
    most = max(told or effects, key=spread)
    hint = "" if told else "; one seed only hints"
    return (
        f"{most.setting} moves validation accuracy most: {100 * spread(most):.1f} points between its best "
        f"and its worst value{hint}"
    )
