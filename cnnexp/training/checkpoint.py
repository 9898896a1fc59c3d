"""Checkpoints: one safetensors file each, the rest as JSON in its header; nothing needs unpickling.

`last` holds what the next epoch needs; `best` holds the weights of the best epoch. Randomness is not stored:
it is a pure function of (seed, epoch).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cnnexp.errors import UserError
from cnnexp.training.events import EpochReport

FORMAT = 1
BEST = "checkpoints/best.safetensors"
LAST = "checkpoints/last.safetensors"
MODEL_PREFIX, OPTIMIZER_PREFIX = "model/", "optimizer/"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: every finished epoch, in order."""

    history: tuple[EpochReport, ...] = ()

    @property
    def epoch(self) -> int:
        """The last finished epoch; 0 before the first."""
        return self.history[-1].epoch if self.history else 0


def save_weights(path: Path, weights: Mapping[str, Tensor], report: EpochReport) -> None:
    """Writes a network's weights (its state_dict) and the report of the epoch they are of, atomically.

    Raises:
        OSError: the file cannot be written.
    """
    _write(path, _model_tensors(weights), report.as_dict())


def load_weights(path: Path, network: nn.Module, *, epoch: int) -> None:
    """Loads the weights of an epoch into a network of the same architecture.

    Raises:
        UserError: the file is missing or torn, or belongs to another epoch or architecture.
    """
    tensors, header = _read(path)
    if header["epoch"] != epoch:
        raise UserError(
            f"the checkpoint {path} is of epoch {header['epoch']}, not of epoch {epoch}; start the run anew "
            "without --resume."
        )
    _load_model(path, network, tensors)


def epoch_of_weights(path: Path) -> int | None:
    """Returns the epoch that saved weights are of; None where there are none that can be read."""
    try:
        _, header = _read(path, with_tensors=False)
    except UserError:
        return None
    return int(header["epoch"])


def tensors_digest(path: Path) -> str:
    """Returns `sha256:` and 64 hex digits over every tensor of a checkpoint: its name, kind, shape and bits.

    The history beside them is left out: it holds how long things took.

    Raises:
        UserError: the file is missing or torn.
    """
    tensors, _ = _read(path)
    sha = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())  # numpy has no bfloat16
    return f"sha256:{sha.hexdigest()}"


def save_last(
    path: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    scaler: torch.amp.GradScaler,
    history: Sequence[EpochReport],
) -> None:
    """Writes all that the next epoch needs, atomically.

    Raises:
        OSError: the file cannot be written.
    """
    state = optimizer.state_dict()["state"]
    tensors = _model_tensors(network.state_dict())
    for index, values in state.items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{OPTIMIZER_PREFIX}{index}/{name}"] = value.detach().cpu().contiguous()
    header = {"history": [report.as_dict() for report in history], "scaler": scaler.state_dict()}
    _write(path, tensors, header)


def load_last(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, *, scaler: torch.amp.GradScaler
) -> Progress:
    """Restores network, optimizer and scaler to the end of the last finished epoch.

    Raises:
        UserError: the file is missing or torn, or belongs to another architecture or optimizer.
    """
    tensors, header = _read(path)
    _load_model(path, network, tensors)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(OPTIMIZER_PREFIX):
            index, name = key.removeprefix(OPTIMIZER_PREFIX).split("/", 1)
            state.setdefault(int(index), {})[name] = _like(value, parameters[int(index)])
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    scaler.load_state_dict(header["scaler"])
    return Progress(tuple(EpochReport(**report) for report in header["history"]))


def read_progress(path: Path) -> Progress:
    """Returns how far the run of a `last` checkpoint is, without its weights."""
    _, header = _read(path, with_tensors=False)
    return Progress(tuple(EpochReport(**report) for report in header["history"]))


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """Gives a moment its parameter's memory layout: fused optimizers walk both as one flat array."""
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype, device="cpu").copy_(value)


def _model_tensors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {MODEL_PREFIX + key: value.detach().cpu().contiguous().clone() for key, value in weights.items()}


def _load_model(path: Path, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    weights = {k.removeprefix(MODEL_PREFIX): v for k, v in tensors.items() if k.startswith(MODEL_PREFIX)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"the checkpoint {path} belongs to another network ({str(error).splitlines()[-1].strip()}); "
            "build the model with the settings of its run."
        ) from error


def _write(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file(tensors, partial, metadata={"cnnexp": json.dumps({"format": FORMAT, **header})})
        with partial.open("rb+") as file:
            os.fsync(file.fileno())  # else a power cut can leave the new name on a file without content
        os.replace(partial, path)  # noqa: PTH105 - the atomic replacement, by its usual name
    except SafetensorError as error:  # a full disk arrives as this
        raise OSError(f"cannot write {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path, *, with_tensors: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["cnnexp"])
            tensors = {key: file.get_tensor(key) for key in file.keys()} if with_tensors else {}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"there is no checkpoint {path}; start the run anew without --resume.") from error
    except (SafetensorError, KeyError, OSError, ValueError) as error:
        raise UserError(f"the checkpoint {path} cannot be read ({error}); start the run anew.") from error
    if header.get("format") != FORMAT:
        raise UserError(
            f"the checkpoint {path} was written by another version of cnnexp; start the run anew."
        )
    return tensors, header
