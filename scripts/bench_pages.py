"""How long a report and a comparison take beyond their imports, and how large a report becomes.

Whole processes; what is subtracted, where that is said, is a process that imports what the command imports
and does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.bench_process import run_python
from scripts.bench_rounds import Ratio, interleaved, ratio, timed

TRIALS, COMPARED, IMAGES = 40, 20, 10_000
REPORT_SECONDS, COMPARE_SECONDS, MEGABYTES = 10.0, 5.0, 10.0
# What both commands load before they do anything of their own.
IMPORTS = (
    *("cnnexp.cli.terminal", "cnnexp.results.recorded", "cnnexp.tracking.store", "cnnexp.figures"),
    *("cnnexp.data.load", "mlflow.store.tracking.sqlalchemy_store", "jinja2", "markdown_it"),
)
# Objects are collected as rarely as in a command, and not looked through at the end: it halves the time.
IMPORTING = """
import gc
from cnnexp.process import collect_rarely
collect_rarely()
import {modules}
gc.freeze()
"""
# Trained on digits, but with predictions of as many test images as Fashion-MNIST has.
COMPARED_RUNS = """
import numpy as np
import cnnexp
from cnnexp.results.recorded import find_recorded
from cnnexp.tracking.store import open_store
draws, images = np.random.default_rng(0), {images}
labels = draws.integers(10, size=images)
for seed in range({count}):
    run = cnnexp.train(model="mlp", epochs=1, seed=seed, run_name=f"run-{{seed}}", figures="none",
                       log_model=False, tracking_uri={uri!r})
    wrong = draws.random(images) < 0.1 + 0.002 * seed
    predicted = np.where(wrong, (labels + draws.integers(1, 10, size=images)) % 10, labels)
    rows = zip(range(images), labels, predicted, draws.random(images).tolist())
    path = find_recorded(open_store({uri!r}), run.run_id).file("test/predictions.csv")
    lines = ["image,label,predicted,probability", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\\n".join(lines))
"""


def run_report(folder: Path, rounds: int) -> list[Ratio]:
    """Times the report of a study of 40 trials, and weighs that of 10,000 test images of 10 classes."""
    store = _store(folder)
    quick = ("--epochs", "1", "--fraction", "0.3", "--quiet")
    _cnnexp(folder, "tune", "--trials", str(TRIALS), "--study", "forty", *quick, *store)
    _, beyond = _seconds(folder, ("report", "forty", *store), rounds)
    train = ("train", "--dataset", "fashion-mnist", "--epochs", "1", "--run-name", "fashion", "--quiet")
    _cnnexp(folder, *train, *store)
    page = folder / "fashion.html"
    _cnnexp(folder, "report", "fashion", "-o", str(page), "--force", *store)
    size = page.stat().st_size / 1e6
    one = [1.0] * rounds
    return [
        ratio(f"report: seconds beyond imports, {TRIALS} trials", beyond, one, at_most=REPORT_SECONDS),
        ratio("report: MB, 10 classes, 10,000 test images", [size], [1.0], at_most=MEGABYTES),
    ]


def run_compare(folder: Path, rounds: int) -> list[Ratio]:
    """Times the comparison of 20 runs on 10,000 test images: all of it, and what is beyond imports."""
    store = _store(folder)
    run_python(("-c", COMPARED_RUNS.format(count=COMPARED, images=IMAGES, uri=store[1])), folder, keeps=True)
    names = [f"run-{seed}" for seed in range(COMPARED)]
    whole, beyond = _seconds(folder, ("compare", *names, *store), rounds)
    one = [1.0] * rounds
    return [
        ratio(f"compare of {COMPARED} runs: seconds, whole command", whole, one, at_most=COMPARE_SECONDS),
        ratio(f"compare of {COMPARED} runs: seconds beyond imports", beyond, one, at_most=COMPARE_SECONDS),
    ]


def _seconds(folder: Path, command: Sequence[str], rounds: int) -> tuple[list[float], list[float]]:
    """Returns the seconds of whole commands, and those less the imports'."""
    imports = ("-c", IMPORTING.format(modules=", ".join(IMPORTS)))
    seconds = interleaved(
        {
            command[0]: timed(lambda: _cnnexp(folder, *command)),
            "imports": timed(lambda: run_python(imports, folder)),
        },
        rounds,
    )
    whole = seconds[command[0]]
    return whole, [all_of_it - part for all_of_it, part in zip(whole, seconds["imports"], strict=True)]


def _cnnexp(folder: Path, *words: str) -> None:
    run_python(("-m", "cnnexp", *words), folder, keeps=True)


def _store(folder: Path) -> tuple[str, str]:
    return "--tracking-uri", f"sqlite:///{folder}/mlflow.db"
