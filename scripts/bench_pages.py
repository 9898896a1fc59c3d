"""How long a report and a comparison take, as whole processes; how large a report becomes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.bench_process import run_python
from scripts.bench_rounds import Ratio, interleaved, ratio, timed

TRIALS, COMPARED, IMAGES = 40, 20, 10_000
REPORT_SECONDS, COMPARE_SECONDS, MEGABYTES = 10.0, 5.0, 10.0
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
    seconds = _seconds(folder, ("report", "forty", "--force", *store), rounds)
    train = ("train", "--dataset", "fashion-mnist", "--epochs", "1", "--run-name", "fashion", "--quiet")
    _cnnexp(folder, *train, *store)
    page = folder / "fashion.html"
    _cnnexp(folder, "report", "fashion", "-o", str(page), "--force", *store)
    size = page.stat().st_size / 1e6
    return [
        ratio(f"report: seconds, {TRIALS} trials", seconds, [1.0] * rounds, at_most=REPORT_SECONDS),
        ratio("report: MB, 10 classes, 10,000 test images", [size], [1.0], at_most=MEGABYTES),
    ]


def run_compare(folder: Path, rounds: int) -> list[Ratio]:
    """Times the comparison of 20 runs on 10,000 test images."""
    store = _store(folder)
    run_python(("-c", COMPARED_RUNS.format(count=COMPARED, images=IMAGES, uri=store[1])), folder, keeps=True)
    names = [f"run-{seed}" for seed in range(COMPARED)]
    seconds = _seconds(folder, ("compare", *names, *store), rounds)
    return [ratio(f"compare of {COMPARED} runs: seconds", seconds, [1.0] * rounds, at_most=COMPARE_SECONDS)]


def _seconds(folder: Path, command: Sequence[str], rounds: int) -> list[float]:
    """Returns the seconds of whole commands."""
    return interleaved({command[0]: timed(lambda: _cnnexp(folder, *command))}, rounds)[command[0]]


def _cnnexp(folder: Path, *words: str) -> None:
    run_python(("-m", "cnnexp", *words), folder, keeps=True)


def _store(folder: Path) -> tuple[str, str]:
    return "--tracking-uri", f"sqlite:///{folder}/mlflow.db"
