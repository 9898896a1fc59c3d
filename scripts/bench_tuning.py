"""Tuning speed as ratios, measured in one run: `python scripts/bench_tuning.py [CASE ...] [--rounds 5]`.

    orchestration  wall time of a study that is not training, as a share
    jobs           two workers with a thread each against one with both
    plain          a study against the plain way of tutorials, on digits
    fashion        the same on a tenth of Fashion-MNIST
    server         a study against a local MLflow server, relative to sqlite

Whole processes, interleaved; a ratio is taken within each round, and its median counts. `--trials` sets the
size of the studies (default 40); the plain way runs a quarter of them, and its time is multiplied by four.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # its parts lie beside it

import optuna

from cnnexp.tuning.ledger import record_of
from scripts.bench_process import HERE, run_python
from scripts.bench_rounds import Ratio, conclude, interleaved, machine, ratio, timed

SECONDS_OF_A_TRIAL = 2.0
LENET = ("--model", "lenet", "--space", "lr=1e-3..1e-2:log", "--pruner", "none", "--no-refit")
SPACE = (
    *("--set", "pool=true", "--space", "widths=16,32,64", "--space", "kernel_size=3,5"),
    *("--space", "lr=1e-4..1e-1:log", "--space", "batch_size=16..256:log2"),
)
PLAIN_EPOCHS = 5
PLAIN_SHARE = 4  # the plain way runs one trial in so many


@dataclass(frozen=True, slots=True)
class Study:
    """A finished study: seconds of the whole process, seconds of its trials' epochs, best value."""

    wall: float
    trained: float
    best: float


def study(folder: Path, *options: str) -> Study:
    """Runs `cnnexp tune` in a fresh folder of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        store = ("--tracking-uri", f"sqlite:///{own}/mlflow.db") if "--tracking-uri" not in options else ()
        storage = f"sqlite:///{own}/optuna.db"
        begin = time.perf_counter()
        run_python(("-m", "cnnexp", "tune", "--quiet", "--storage", storage, *store, *options), folder)
        wall = time.perf_counter() - begin
        found = optuna.load_study(study_name=None, storage=storage)
        facts = [record_of(one).facts or {} for one in found.get_trials(deepcopy=False)]
        trained, best = sum(one.get("seconds", 0.0) for one in facts), found.best_value
    return Study(wall, trained, best)


def two_seconds(folder: Path) -> tuple[str, ...]:
    """Returns options of a study whose trials train for about two seconds on this machine."""
    epochs, trials = 10, 3
    one = study(folder, "--trials", str(trials), "--jobs", "1", "--epochs", str(epochs), *LENET)
    enough = max(1, round(SECONDS_OF_A_TRIAL * epochs * trials / one.trained))
    return ("--epochs", str(enough), *LENET)


def run_orchestration(folder: Path, rounds: int, trials: int) -> list[Ratio]:
    """What is not training, as a share of the wall time."""
    shares, options = [], two_seconds(folder)
    for number in range(1, rounds + 1):
        one = study(folder, "--trials", str(trials), "--jobs", "1", *options)
        shares.append(1 - one.trained / one.wall)
        print(f"  round {number}: {one.wall:.1f} s, {one.trained / trials:.2f} s a trial", flush=True)
    return [ratio("orchestration: share of the wall time", shares, [1.0] * rounds, at_most=0.05)]


def run_jobs(folder: Path, rounds: int, trials: int) -> list[Ratio]:
    """Two workers against one."""
    options = ("--trials", str(trials), *two_seconds(folder))
    walls = interleaved(
        {f"{jobs} jobs": timed(lambda n=jobs: study(folder, "--jobs", str(n), *options)) for jobs in (1, 2)},  # type: ignore[misc]
        rounds,
    )
    return [ratio("jobs: throughput of 2 / 1", walls["1 jobs"], walls["2 jobs"], at_least=1.35)]


def compare_plain(
    folder: Path, rounds: int, trials: int, *, dataset: str, fraction: float, target: float
) -> list[Ratio]:
    """Times ours and the plain way, and says what both found."""
    found: dict[str, list[float]] = {"ours": [], "plain": []}
    few = max(1, trials // PLAIN_SHARE)

    def ours() -> float:
        seed = str(len(found["ours"]))
        one = study(
            folder,
            *("--dataset", dataset, "--fraction", str(fraction), "--trials", str(trials), "--seed", seed),
            *("--epochs", str(PLAIN_EPOCHS), "--no-refit", "--set", "widths=[32,32]", *SPACE),
        )
        found["ours"].append(one.best)
        return one.wall

    def plain() -> float:
        seed = str(len(found["plain"]))
        begin = time.perf_counter()
        arguments = (dataset, str(few), str(PLAIN_EPOCHS), seed, str(fraction))
        said = run_python((str(HERE / "bench_plain_study.py"), *arguments), folder)
        found["plain"].append(json.loads(said.splitlines()[-1])["best"])
        return (time.perf_counter() - begin) * trials / few

    walls = interleaved({"ours": ours, "plain": plain}, rounds)
    for way, values in found.items():
        print(f"  best validation accuracy, {way}: median {statistics.median(values):.4f}")
    return [
        ratio(f"plain / ours, {dataset}, {trials} trials", walls["plain"], walls["ours"], at_least=target)
    ]


def run_plain(folder: Path, rounds: int, trials: int) -> list[Ratio]:
    """On digits."""
    return compare_plain(folder, rounds, trials, dataset="digits", fraction=1.0, target=5.0)


def run_fashion(folder: Path, rounds: int, trials: int) -> list[Ratio]:
    """On a tenth of Fashion-MNIST."""
    return compare_plain(folder, rounds, trials, dataset="fashion-mnist", fraction=0.1, target=2.5)


def run_server(folder: Path, rounds: int, trials: int) -> list[Ratio]:
    """A local MLflow server against sqlite."""
    import signal
    import subprocess

    from cnnexp.tracking.ui import reserved_port, ui_command, ui_environment, wait_for_ui

    options = ("--trials", str(trials), "--jobs", "1", *two_seconds(folder))
    with reserved_port(preferred=5600) as port, (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            ui_command(f"sqlite:///{folder}/server.db", "127.0.0.1", port),
            env=ui_environment(),
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
        try:
            wait_for_ui(f"http://127.0.0.1:{port}", 120, process)
            uri = f"http://127.0.0.1:{port}"
            walls = interleaved(
                {
                    "sqlite": timed(lambda: study(folder, *options)),
                    "server": timed(lambda: study(folder, "--tracking-uri", uri, *options)),
                },
                rounds,
            )
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return [ratio("server / sqlite", walls["server"], walls["sqlite"], at_most=1.3)]


CASES: dict[str, Callable[[Path, int, int], list[Ratio]]] = {
    "orchestration": run_orchestration,
    "jobs": run_jobs,
    "plain": run_plain,
    "fashion": run_fashion,
    "server": run_server,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases and prints a line per ratio; returns 1 where a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", choices=[[], *CASES], help=f"{', '.join(CASES)}; none: all"
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--trials", type=int, default=40, help="trials of a study (default 40)")
    options = parser.parse_args(arguments)
    print(machine(), flush=True)
    ratios: list[Ratio] = []
    for name in options.cases or CASES:
        print(name, flush=True)
        with tempfile.TemporaryDirectory(prefix="cnnexp-bench-") as folder:
            ratios += CASES[name](Path(folder), options.rounds, options.trials)
    return conclude(ratios, f"{options.rounds} rounds, {options.trials} trials")


if __name__ == "__main__":
    sys.exit(main())
