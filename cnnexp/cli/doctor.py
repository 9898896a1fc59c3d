"""`cnnexp doctor`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator

import click

from cnnexp.errors import UserError

Finding = tuple[str, str]


@click.command()
@click.option("--tracking-uri", help="MLflow store; else MLFLOW_TRACKING_URI, else mlflow.db in this folder.")
@click.option("--data-dir", envvar="CNNEXP_DATA_DIR", help="Folder where data sets lie; else ./data.")
def doctor(tracking_uri: str | None, data_dir: str | None) -> None:
    """Say what is installed, which device, store and data will be used, and what is wrong.

    Exit code 1 if anything is wrong.
    """
    sections: dict[str, Callable[[], Iterator[Finding]]] = {
        "Packages": _packages,
        "Machine": _machine,
        "Compute": _compute,
        "Store": lambda: _store(tracking_uri),
        "Data": lambda: _data(data_dir),
        "Cache": _cache,
    }
    problems = set()
    for title, look in sections.items():
        click.secho(title, bold=True)
        try:
            for name, value in look():
                click.echo(f"  {name:<18} {value}")
        except Exception as error:  # whatever fails here is what a doctor is asked to find
            sentence = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            problems.add(sentence)
            click.secho(f"  wrong: {sentence}", fg="red")
    click.echo("Nothing is wrong." if not problems else f"{len(problems)} problem(s); see `wrong` above.")
    sys.exit(1 if problems else 0)


def _packages() -> Iterator[Finding]:
    from cnnexp.tracking.environment import package_versions

    yield from package_versions().items()
    for name in ("torch", "torchvision"):
        _import(name)


def _import(name: str) -> None:
    """Imports one of the two packages that must match each other, the machine and its drivers.

    Raises:
        UserError: it cannot be imported.
    """
    try:
        importlib.import_module(name)
    except Exception as error:
        raise UserError(
            f"{name} cannot be imported ({type(error).__name__}: {error}); "
            "`pip install --upgrade torch torchvision` mends it."
        ) from error


def _machine() -> Iterator[Finding]:
    from cnnexp.tracking.environment import machine_facts

    yield from machine_facts().items()  # of GPUs too: torch is loaded by now, where it can be


def _compute() -> Iterator[Finding]:
    _import("torch")
    import torch

    from cnnexp.settings import ComputeSettings
    from cnnexp.training.compute import available_devices, find_compute

    compute = find_compute(ComputeSettings())
    yield "devices", ", ".join(available_devices())
    yield "used by default", f"{compute.device}, {compute.precision}, {compute.layout}"
    yield "CPU threads", str(torch.get_num_threads())


def _store(tracking_uri: str | None) -> Iterator[Finding]:
    from cnnexp.tracking.opening import NoStoreError
    from cnnexp.tracking.store import open_store

    try:
        store = open_store(tracking_uri, make=False)
    except NoStoreError as nothing:
        yield "none yet", str(nothing)
        return
    yield "uri", store.uri
    last = store.recent_runs(1)
    yield (
        "last run",
        f"{last[0].name} ({last[0].run_id[:8]}), {last[0].status.lower()}" if last else "none yet",
    )


def _data(data_dir: str | None) -> Iterator[Finding]:
    from cnnexp.data.catalog import describe_datasets

    for row in describe_datasets(data_dir):
        yield row.name, row.where if row.on_disk else f"not on disk: {row.where}"


def _cache() -> Iterator[Finding]:
    from cnnexp.data.cache import cache_info

    info = cache_info()
    yield "folder", str(info.folder)
    size, limit = info.num_bytes / 1e6, info.limit_bytes / 1e6
    yield "kept", f"{len(info.entries)} sets, {size:,.1f} MB of at most {limit:,.0f} MB"
