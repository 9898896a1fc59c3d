"""Training speed as ratios, measured in one run: `python scripts/bench_training.py [CASE ...] [--rounds 5]`.

    lenet     epochs of LeNet on Fashion-MNIST against the compute floor and a DataLoader
    cifar     epochs of a CIFAR-10 net with per-image crop and flip, likewise
    process   whole processes, everything tracked, against PyTorch Lightning (pip install -e '.[bench]')
    overhead  tracking, figures and model logging of one run; the time of `cnnexp --help`
    memory    what training on a set adds to the process, relative to the set's uint8 size

Everything is measured in interleaved rounds; a ratio is taken within each round, and its median counts.
Ratios travel between machines, seconds do not. On two cores all cases take about an hour; `--fraction 0.25`
takes a quarter of the images on both sides of a ratio.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # its parts lie beside it

from scripts.bench_rounds import Ratio, case_parser, conclude, machine, parsed_cases

CaseRunner = Callable[[Path, int, float], list[Ratio]]


def run_lenet(folder: Path, rounds: int, fraction: float) -> list[Ratio]:
    """LeNet on Fashion-MNIST, a steady epoch with validation."""
    from scripts.bench_epochs import CASES, compare_epochs

    return compare_epochs("lenet", CASES["lenet"], folder, rounds=rounds, fraction=fraction)


def run_cifar(folder: Path, rounds: int, fraction: float) -> list[Ratio]:
    """A CIFAR-10 net on random images with crop and flip, a steady epoch with validation."""
    from scripts.bench_epochs import CASES, compare_epochs

    return compare_epochs("cifar", CASES["cifar"], folder, rounds=rounds, fraction=fraction)


def run_process(folder: Path, rounds: int, fraction: float) -> list[Ratio]:
    """Whole processes against Lightning's."""
    from scripts.bench_process import compare_processes

    return compare_processes(folder, rounds=rounds, fraction=fraction)


def run_overhead(folder: Path, rounds: int, fraction: float) -> list[Ratio]:
    """What tracking costs beyond training."""
    from scripts.bench_process import compare_help, compare_overhead

    return [*compare_help(rounds=rounds), *compare_overhead(folder, rounds=rounds, fraction=fraction)]


def run_memory(folder: Path, rounds: int, fraction: float) -> list[Ratio]:
    """What a set adds to the process."""
    from scripts.bench_process import compare_memory

    return compare_memory(folder, rounds=rounds, fraction=fraction)


CASES: dict[str, CaseRunner] = {
    "lenet": run_lenet,
    "cifar": run_cifar,
    "process": run_process,
    "overhead": run_overhead,
    "memory": run_memory,
}


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line: `cases`, `rounds`, `fraction`."""
    parser = case_parser(__doc__, CASES)
    parser.add_argument("--fraction", type=float, default=1.0, help="share of the images, both sides alike")
    found = parsed_cases(parser, CASES, arguments)
    if not 0 < found.fraction <= 1:
        parser.error("--fraction must be above 0 and at most 1")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases and prints a line per ratio; returns 1 where a target is missed."""
    options = parsed(arguments)
    print(machine(), flush=True)
    ratios: list[Ratio] = []
    for name in options.cases:
        with tempfile.TemporaryDirectory(prefix="cnnexp-bench-") as folder:
            ratios += CASES[name](Path(folder), options.rounds, options.fraction)
    return conclude(ratios, f"{options.rounds} rounds, fraction {options.fraction:g}")


if __name__ == "__main__":
    sys.exit(main())
