"""Interleaved rounds and the ratios they give: A B C A B C ..., so that a bad minute hits all alike."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("torch", "torchvision", "numpy", "mlflow", "lightning")
Measure = Callable[[], float]  # does the work and returns what was measured: seconds, or bytes


@dataclass(frozen=True, slots=True)
class Ratio:
    """One ratio over the rounds, against its target.

    Attributes:
        name: what is divided by what.
        values: one a round; the two measured in a round are neighbours in time.
        target: what the median must not exceed; must reach, if `at_least`.
        at_least: larger is better.
    """

    name: str
    values: tuple[float, ...]
    target: float
    at_least: bool = False

    @property
    def median(self) -> float:
        """What is held against the target."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool:
        """Whether the median reaches the target."""
        return self.median >= self.target if self.at_least else self.median <= self.target

    def __str__(self) -> str:
        spread = f"{self.median:.3f} ({min(self.values):.3f}-{max(self.values):.3f})"
        goal = f"{'>=' if self.at_least else '<='} {self.target:g}"
        return f"{self.name:<50} {spread:>22}   target {goal:<8} {'met' if self.is_met else 'missed'}"


def interleaved(measures: Mapping[str, Measure], rounds: int, *, unit: str = "s") -> dict[str, list[float]]:
    """Measures everything once a round, in order; prints each with its median and spread."""
    measured: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(1, rounds + 1):
        for name, measure in measures.items():
            measured[name].append(measure())
        shown = ", ".join(f"{name} {values[-1]:.2f}" for name, values in measured.items())
        print(f"  round {number}: {shown} {unit}", flush=True)
    for name, values in measured.items():
        middle = statistics.median(values)
        print(f"  {name:<48} median {middle:.2f} {unit} ({min(values):.2f}-{max(values):.2f})", flush=True)
    return measured


def ratio(
    name: str,
    above: list[float],
    below: list[float],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Ratio:
    """Divides two measurements round by round; one of the two targets is given."""
    target = at_most if at_most is not None else at_least
    assert target is not None
    values = tuple(a / b for a, b in zip(above, below, strict=True))
    return Ratio(name, values, target, at_least=at_least is not None)


def timed(work: Callable[[], object]) -> Measure:
    """Turns work into a measure of its seconds."""

    def measure() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return measure


def machine() -> str:
    """Returns processor, cores, load and versions, for the head of a report."""
    import torch

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    found = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{platform.platform()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{load}\n"
        f"Python {sys.version.split()[0]}, {found}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def case_parser(description: str | None, cases: Collection[str]) -> argparse.ArgumentParser:
    """Returns the parser of a benchmark's command line: `cases` and `rounds`; `parsed_cases` reads it."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(cases)}; none: all")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    return parser


def parsed_cases(
    parser: argparse.ArgumentParser, cases: Collection[str], arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Reads a command line; an unknown case or no round ends with the usage and exit code 2."""
    found = parser.parse_args(arguments)
    unknown = [name for name in found.cases if name not in cases]
    if unknown:
        parser.error(f"unknown case {unknown[0]!r}: choose from {', '.join(cases)}")
    if found.rounds < 1:
        parser.error("--rounds must be 1 or more")
    found.cases = found.cases or list(cases)
    return found


def conclude(ratios: Sequence[Ratio], conditions: str) -> int:
    """Prints a line per ratio; returns 1 where a target is missed: a script's exit code."""
    print(f"\nmedians over {conditions}:")
    for one in ratios:
        print(one)
    return 0 if all(one.is_met for one in ratios) else 1
