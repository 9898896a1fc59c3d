"""From runs to results, as ratios measured in one run: `python scripts/bench_results.py [CASE ...]`.

    predict   `cnnexp predict` on a folder of photos against decoding alone and the forward pass alone
    export    one image under onnxruntime against torch (pip install 'cnnexp[export]')
    report    the page of a study of 40 trials
    compare   the comparison of 20 runs

Everything is measured in interleaved rounds; a ratio is taken within each round, and its median counts. On
a CPU decoding and the forward pass share the cores: where both take as long, no program can reach 0.9 of one
alone, so the two cases of `predict` are those where one of them dominates.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # its parts lie beside it

from scripts.bench_rounds import Ratio, machine

CaseRunner = Callable[[Path, int], list[Ratio]]
CASES = {
    "predict": "scripts.bench_use",
    "export": "scripts.bench_use",
    "report": "scripts.bench_pages",
    "compare": "scripts.bench_pages",
}


def runner(case: str) -> CaseRunner:
    """Returns the function `run_<case>`; each imports what it measures only when it is asked for."""
    found: CaseRunner = getattr(importlib.import_module(CASES[case]), f"run_{case}")
    return found


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line: `cases`, `rounds`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; none: all")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    found = parser.parse_args(arguments)
    unknown = [name for name in found.cases if name not in CASES]
    if unknown:
        parser.error(f"unknown case {unknown[0]!r}: choose from {', '.join(CASES)}")
    if found.rounds < 1:
        parser.error("--rounds must be 1 or more")
    found.cases = found.cases or list(CASES)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases and prints a line per ratio; returns 1 where a target is missed."""
    options = parsed(arguments)
    print(machine(), flush=True)
    ratios: list[Ratio] = []
    for name in options.cases:
        with tempfile.TemporaryDirectory(prefix="cnnexp-bench-") as folder:
            ratios += runner(name)(Path(folder), options.rounds)
    print(f"\nmedians over {options.rounds} rounds:")
    for one in ratios:
        print(one)
    return 0 if all(one.is_met for one in ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
