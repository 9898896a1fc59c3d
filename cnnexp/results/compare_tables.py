"""The tables of a comparison: settings that differ, results with spread, pairs."""

from __future__ import annotations

from pathlib import Path

from cnnexp.experiment.names import TEST_ACCURACY, VAL_ACCURACY
from cnnexp.experiment.statistics import Spread, spread_of
from cnnexp.experiment.tables import csv_table, latex_table, markdown_table
from cnnexp.results.compare import Comparison
from cnnexp.results.groups import RunGroup
from cnnexp.results.verdict import RULE

Rows = list[list[str]]
SUFFIXES = (".csv", ".md", ".tex")
PAIR_HEADER = (
    "first",
    "second",
    "difference",
    "95 % over seeds",
    "95 % over images",
    "only first right",
    "only second right",
    "p",
    "p corrected",
)
_UNIMPORTANT = ("run_name", "num_train", "num_val", "num_test", "figures", "log_model")
_MEASURES = {  # metric to (column, factor, digits)
    TEST_ACCURACY: ("test accuracy (%)", 100.0, 2),
    VAL_ACCURACY: ("val accuracy (%)", 100.0, 2),
    "test/loss": ("test loss", 1.0, 4),
    "test/macro_f1": ("macro F1", 1.0, 4),
}
_NONE = "–"


def settings_table(comparison: Comparison) -> tuple[list[str], Rows]:
    """Returns a row per setting that differs, a column per group."""
    found = [group.settings() for group in comparison.groups]
    names = dict.fromkeys(name for one in found for name in one if name not in _UNIMPORTANT)
    rows = [[name, *(one.get(name, _NONE) for one in found)] for name in names]
    header = ["setting", *(group.label for group in comparison.groups)]
    return header, [row for row in rows if len(set(row[1:])) > 1]


def results_table(comparison: Comparison) -> tuple[list[str], Rows]:
    """Returns a row per group: mean ± sd of each measure, and the interval of the accuracy."""
    measures = {
        metric: column
        for metric, column in _MEASURES.items()
        if any(group.values(metric) for group in comparison.groups)
    }
    header = [
        "run",
        "runs",
        *(name for name, _, _ in measures.values()),
        "95 % interval",
        "interval over",
        "parameters",
        "seconds",
    ]
    rows = []
    for group in comparison.groups:
        spreads = [
            (_spread(group, metric), factor, digits) for metric, (_, factor, digits) in measures.items()
        ]
        texts = [_NONE if one is None else one.text(factor, digits) for one, factor, digits in spreads]
        interval = interval_of(group, comparison)
        times = [one.row.seconds for one in group.runs if one.row.seconds is not None]
        rows.append(
            [
                group.label,
                str(len(group.runs)),
                *texts,
                _interval(None if interval is None else interval[:2]),
                _NONE if interval is None else interval[2],
                _parameters(group),
                spread_of(times).text(digits=0) if times else _NONE,
            ]
        )
    return header, rows


def pairs_table(comparison: Comparison) -> tuple[list[str], Rows]:
    """Returns a row per pair, differences in points."""
    rows = []
    for pair in comparison.pairs:
        images = pair.over_images
        rows.append(
            [
                pair.first.label,
                pair.second.label,
                f"{100 * pair.over_runs.value:.2f}",
                _interval(pair.over_runs.interval),
                _interval(None if images is None else images.interval),
                _NONE if images is None else str(images.only_first),
                _NONE if images is None else str(images.only_second),
                _NONE if pair.p is None else f"{pair.p:.2g}",
                _NONE if pair.p_corrected is None else f"{pair.p_corrected:.2g}",
            ]
        )
    return list(PAIR_HEADER), rows


def interval_of(group: RunGroup, comparison: Comparison) -> tuple[float, float, str] | None:
    """Returns a group's 95 % interval and what it is over; None where there is none.

    Over `seeds` it is that of their mean (`runs` where they differ in more); over `images`, the test images,
    that of a single run.
    """
    metric = comparison.metric
    spread = None if comparison.is_searched else _spread(group, metric)
    if spread is not None and spread.interval is not None:
        return (*spread.interval, "runs" if group.differs_in else "seeds")
    metrics = group.runs[0].row.metrics
    low, high = metrics.get(f"{metric}_low"), metrics.get(f"{metric}_high")
    return None if len(group.runs) > 1 or low is None or high is None else (low, high, "images")


def csv_of(comparison: Comparison) -> str:
    """Returns a line per group for programs: mean, sd and interval apart, in [0, 1], and the run ids."""
    header = ["group", "runs"]
    for metric in _MEASURES:
        name = metric.replace("/", "_")
        header += [f"{name}_mean", f"{name}_sd"]
    name = comparison.metric.replace("/", "_")
    header += [f"{name}_low", f"{name}_high", f"{name}_interval_over", "parameters", "run_ids"]
    rows = []
    for group in comparison.groups:
        spreads = [_spread(group, metric) for metric in _MEASURES]
        numbers = [part for one in spreads for part in ((one.mean, one.sd) if one else (None, None))]
        low, high, over = interval_of(group, comparison) or (None, None, "")
        cells = ["" if one is None else f"{one:.6g}" for one in (*numbers, low, high)]
        ids = " ".join(one.run_id for one in group.runs)
        rows.append(
            [
                *(group.label, len(group.runs), *cells, over),
                *(group.runs[0].row.params.get("num_parameters", ""), ids),
            ]
        )
    return csv_table(header, rows)


def markdown_of(comparison: Comparison) -> str:
    """Returns sentences and all tables in Markdown."""
    lines = [f"- {sentence}" for sentence in comparison.sentences]
    lines += [f"- {note[:1].upper()}{note[1:]}." for note in comparison.notes]
    parts = [
        "\n".join(lines),
        RULE if any(pair.p is not None for pair in comparison.pairs) else "",
        comparison.test_part,
        "## Results",
        markdown_table(*results_table(comparison)),
    ]
    parts += ["## Pairs (points)", markdown_table(*pairs_table(comparison), names=2)]
    header, rows = settings_table(comparison)
    if rows:
        parts += ["## Settings that differ", markdown_table(header, rows)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def latex_of(comparison: Comparison) -> str:
    r"""Returns the results in LaTeX, for `\usepackage{booktabs}`; what they say stands above as a comment."""
    said = [*comparison.sentences, comparison.test_part]
    comments = "".join(f"% {line}\n" for line in said if line)
    return comments + latex_table(*results_table(comparison))


def write_tables(comparison: Comparison, path: Path) -> None:
    """Writes the form that the file's name asks for."""
    forms = {".csv": csv_of, ".md": markdown_of, ".tex": latex_of}
    path.write_text(forms[path.suffix.lower()](comparison), encoding="utf-8")


def _spread(group: RunGroup, metric: str) -> Spread | None:
    values = group.values(metric)
    return spread_of(values, share=metric != "test/loss") if values else None


def _interval(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return _NONE
    return " to ".join(f"{100 * bound:.1f}".replace("-", "−") for bound in interval)


def _parameters(group: RunGroup) -> str:
    found = {one.row.params.get("num_parameters") for one in group.runs}
    found |= {f"{one.row.metrics['parameters']:.0f}" for one in group.runs if "parameters" in one.row.metrics}
    sizes = sorted(int(one) for one in found if one is not None)
    return ", ".join(f"{one:,}" for one in sizes[:3]) or _NONE
