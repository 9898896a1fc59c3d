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

from scripts.bench_rounds import Ratio, case_parser, conclude, machine, parsed_cases

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
    return parsed_cases(case_parser(__doc__, CASES), CASES, arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases and prints a line per ratio; returns 1 where a target is missed."""
    options = parsed(arguments)
    print(machine(), flush=True)
    ratios: list[Ratio] = []
    for name in options.cases:
        with tempfile.TemporaryDirectory(prefix="cnnexp-bench-") as folder:
            ratios += runner(name)(Path(folder), options.rounds)
    return conclude(ratios, f"{options.rounds} rounds")


if __name__ == "__main__":
    sys.exit(main())
