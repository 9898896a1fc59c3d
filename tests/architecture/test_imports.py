"""Imports point down only (docs/architecture.md), and the command line answers before it loads a library."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cnnexp"

FOUNDATION = {"errors", "registry", "cache_folder", "image_spec", "process", "progress", "plugins"}
BELOW_TRAINING = FOUNDATION | {"settings", "data", "convolution", "models", "figures"}
BELOW_EXPERIMENT = BELOW_TRAINING | {"training", "tracking"}
MAY_IMPORT = {
    "errors": set(),
    "cache_folder": set(),
    "image_spec": set(),
    "process": set(),
    "progress": set(),
    "registry": {"errors"},
    "plugins": {"errors"},
    "settings": FOUNDATION,
    "data": FOUNDATION | {"settings"},
    "convolution": {"errors"},
    "models": FOUNDATION | {"settings", "convolution"},
    "figures": FOUNDATION | {"settings"},
    "training": BELOW_TRAINING,
    "tracking": FOUNDATION | {"settings", "figures", "training.events"},  # beside experiment: it only listens
    "experiment": BELOW_EXPERIMENT,
    "tuning": BELOW_EXPERIMENT | {"experiment"},
    "results": BELOW_EXPERIMENT | {"experiment", "tuning"},
    "published": BELOW_EXPERIMENT | {"experiment", "tuning", "results"},
    "cli": BELOW_EXPERIMENT | {"experiment", "tuning", "results", "published", "__init__"},
    "__init__": BELOW_EXPERIMENT
    | {"experiment", "tuning", "results"},  # the Python API: it hands out names of all
    "__main__": {"cli"},
}
HEAVY = {"torch", "torchvision", "optuna", "sklearn", "matplotlib", "PIL"}  # half a second each, or more
ONLY_IN = {"mlflow": {"tracking"}, "optuna": {"tuning"}}
NEVER_IN = {
    "figures": {"torch", "torchvision", "matplotlib.pyplot"},
    "settings": {"torch", "torchvision", "matplotlib", "sklearn"},
    "tracking": {"optuna"},
}


def imports_of(source: str) -> Iterator[str]:
    """Every module or name that is imported anywhere: in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_one_of(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(module + ".") for module in modules)


def is_allowed(part: str, name: str) -> bool:
    """Whether a module of one part of the package may import that name."""
    first, _, rest = name.partition(".")
    if first != "cnnexp":
        return part in ONLY_IN.get(first, {part}) and not is_one_of(name, NEVER_IN.get(part, set()))
    is_module = rest.split(".")[0] in MAY_IMPORT  # else a public name: `from cnnexp import train`
    return is_one_of(rest if is_module else "__init__", MAY_IMPORT[part] | {part})


def faults_of(part: str, source: str) -> list[str]:
    return [name for name in imports_of(source) if not is_allowed(part, name)]


def parts() -> dict[Path, str]:
    """Every module and the part of the package (folder, or file at the top) that it belongs to."""
    return {
        path: path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in sorted(PACKAGE.rglob("*.py"))
    }


def test_imports_point_down_only() -> None:
    found = {
        str(path.relative_to(PACKAGE)): faults
        for path, part in parts().items()
        if (faults := faults_of(part, path.read_text(encoding="utf-8")))
    }
    assert not found


def test_every_part_of_the_package_has_its_place_in_the_rule() -> None:
    assert set(parts().values()) <= set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("errors", "import cnnexp.registry"),
        ("data", "from cnnexp.models import lenet"),
        ("data", "from cnnexp import models"),
        ("training", "def f():\n    from cnnexp.experiment import train"),
        (
            "training",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cnnexp.tracking import run",
        ),
        ("tracking", "from cnnexp.training import loop"),
        ("settings", "from cnnexp import train"),
        ("settings", "import cnnexp"),
        ("training", "import mlflow.pytorch"),
        ("cli", "from mlflow import MlflowClient"),
        ("experiment", "import optuna"),
        ("figures", "from torch import Tensor"),
        ("figures", "from matplotlib import pyplot"),
    ],
)
def test_the_rule_sees_a_forbidden_import(part: str, source: str) -> None:
    assert len(faults_of(part, source)) == 1


def test_the_rule_lets_pass_what_points_down() -> None:
    source = "import numpy\nfrom cnnexp.training.events import Status\nfrom cnnexp.errors import UserError"
    assert not faults_of("tracking", source)


def loaded_by(*arguments: str) -> set[str]:
    """Names of the packages that a Python process imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}
    assert "cnnexp" in loaded
    return loaded


@pytest.mark.parametrize(
    "arguments",
    [("-c", "import cnnexp"), ("-m", "cnnexp", "--help"), ("-m", "cnnexp", "train", "--help")],
    ids=["import", "help", "train-help"],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(arguments: tuple[str, ...]) -> None:
    assert not loaded_by(*arguments) & {*HEAVY, "mlflow", "numpy"}


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [
        (("results.compare", "results.compare_tables", "results.verdict", "cli.compare"), set()),
        (("results.report", "cli.report"), {"PIL"}),
    ],
    ids=["compare", "report"],
)
def test_what_reads_finished_runs_needs_no_torch(modules: tuple[str, ...], allowed: set[str]) -> None:
    imports = ", ".join(f"cnnexp.{one}" for one in modules)
    assert not loaded_by("-c", f"import {imports}") & {*HEAVY, "mlflow", "scipy"} - allowed
