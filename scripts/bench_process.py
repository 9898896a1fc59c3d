"""Whole processes: a tracked run against Lightning's, what tracking costs, what a set costs in memory."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.bench_rounds import Measure, Ratio, interleaved, ratio, timed

HERE = Path(__file__).parent
LENET = {"model": "lenet", "dataset": "fashion-mnist", "batch_size": 64, "optimizer": "adam", "lr": 0.001}
PROCESS_TARGETS = {1: 0.5, 3: 0.45}  # epochs: ours / Lightning
OVERHEAD_SECONDS, OVERHEAD_SHARE = 6.0, 0.02  # of the training time
OVERHEAD_EPOCHS = 3
HELP_SECONDS, HELP_CALLS = 0.3, 5
MEMORY_TARGET = 1.5
MEMORY_KINDS = ("arrays", "decoded", "cached")


def compare_processes(folder: Path, *, rounds: int, fraction: float) -> list[Ratio]:
    """Times `cnnexp train` and the same job in Lightning, each in a fresh folder with a store of its own.

    Both read the same unpacked files. Our cache of decoded images is empty in the first round only.
    """
    data_dir = unpacked_fashion_mnist(folder / "data")
    given = ("--data-dir", str(data_dir), "--fraction", str(fraction))
    train = ("-m", "cnnexp", "train", *(text for item in LENET.items() for text in _option(*item)), *given)
    theirs = (str(HERE / "bench_lightning.py"), *given)
    measures: dict[str, Measure] = {}
    for epochs in PROCESS_TARGETS:
        for way, command in (("ours", train), ("Lightning", theirs)):
            arguments = (*command, "--epochs", str(epochs))
            measures[f"{way}, {epochs} epochs"] = timed(lambda a=arguments: run_python(a, folder))  # type: ignore[misc]
    seconds = interleaved(measures, rounds)
    return [
        ratio(
            f"process: ours / Lightning, {epochs} epochs",
            seconds[f"ours, {epochs} epochs"],
            seconds[f"Lightning, {epochs} epochs"],
            at_most=target,
        )
        for epochs, target in PROCESS_TARGETS.items()
    ]


def compare_help(*, rounds: int) -> list[Ratio]:
    """Times `cnnexp --help`."""
    with tempfile.TemporaryDirectory() as folder:
        call = timed(lambda: run_python(("-m", "cnnexp", "--help"), Path(folder)))
        seconds = interleaved({"cnnexp --help": call}, max(rounds, HELP_CALLS))["cnnexp --help"]
    return [ratio("overhead: seconds of cnnexp --help", seconds, [1.0] * len(seconds), at_most=HELP_SECONDS)]


def compare_overhead(folder: Path, *, rounds: int, fraction: float) -> list[Ratio]:
    """Times one run with everything on, and one with a run that records nothing, figures and model off."""
    measured: list[dict[str, Any]] = []
    settings = json.dumps({**LENET, "epochs": OVERHEAD_EPOCHS, "fraction": fraction})

    def measure(tracked: str) -> Measure:
        def run() -> float:
            measured.append(child("bench_overhead.py", (tracked, settings), folder))
            return float(measured[-1]["seconds"])

        return run

    seconds = interleaved({"tracked": measure("tracked"), "untracked": measure("untracked")}, rounds)
    extra = [a - b for a, b in zip(seconds["tracked"], seconds["untracked"], strict=True)]
    allowed = [OVERHEAD_SECONDS + OVERHEAD_SHARE * one["training_seconds"] for one in measured[::2]]
    print(f"  tracked - untracked: {', '.join(f'{one:.2f}' for one in extra)} s")
    return [ratio("overhead: tracking / (6 s + 2 % of training)", extra, allowed, at_most=1.0)]


def compare_memory(folder: Path, *, rounds: int, fraction: float) -> list[Ratio]:
    """Measures what training on 400 MB of images adds to a process that has trained already.

    `arrays`: a plug-in's own arrays. `decoded`: a photo folder, decoded in this run. `cached`: the same
    folder, from the cache. The highest resident memory counts, mapped pages of the cache's file included.
    """
    from scripts.bench_memory import write_folders

    write_folders(folder, fraction)
    sizes: dict[str, float] = {}

    def measure(kind: str) -> Measure:
        def run() -> float:
            if kind == "decoded":
                shutil.rmtree(folder / "cache", ignore_errors=True)
            found = child("bench_memory.py", (kind, str(folder), str(fraction)), folder)
            sizes[kind] = found["set_bytes"] / 1e6
            return float(found["added_bytes"]) / 1e6

        return run

    added = interleaved({kind: measure(kind) for kind in MEMORY_KINDS}, rounds, unit="MB")
    return [
        ratio(
            f"memory: added / {sizes[kind]:.0f} MB of uint8, {kind}",
            added[kind],
            [sizes[kind]] * rounds,
            at_most=MEMORY_TARGET,
        )
        for kind in MEMORY_KINDS
    ]


def unpacked_fashion_mnist(data_dir: Path) -> Path:
    """Writes the four files unpacked, as torchvision wants them, and returns the folder it calls root."""
    from cnnexp.data.load import find_dataset
    from cnnexp.settings.groups import DataSettings

    raw = data_dir / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in find_dataset(DataSettings(dataset="fashion-mnist")).files:
        content = file.read_bytes()
        unpacked = gzip.decompress(content) if file.suffix == ".gz" else content
        (raw / file.name.removesuffix(".gz")).write_bytes(unpacked)
    return data_dir


def run_python(arguments: Sequence[str], folder: Path, *, keeps: bool = False) -> str:
    """Runs Python in a fresh folder, with a cache in `folder` and no settings of the caller's.

    Args:
        arguments: of Python.
        folder: that all is below.
        keeps: runs in `folder` itself: there the files of runs outlast the process.

    Returns:
        What it printed.

    Raises:
        RuntimeError: it failed; the message is the end of what it said.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CNNEXP_", "MLFLOW_"))
    }
    environment |= {"CNNEXP_CACHE_DIR": str(folder / "cache"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PYTHONPATH"] = str(HERE.parent)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        command, here = [sys.executable, *arguments], folder if keeps else fresh
        done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def child(script: str, arguments: Sequence[str], folder: Path) -> dict[str, Any]:
    """Runs a script beside this one; it prints JSON as its last line."""
    found: dict[str, Any] = json.loads(run_python((str(HERE / script), *arguments), folder).splitlines()[-1])
    return found


def _option(name: str, value: object) -> tuple[str, str]:
    return f"--{name.replace('_', '-')}", str(value)
