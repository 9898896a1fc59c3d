"""Pretrained weights of a run: found on this machine or downloaded, then put into its network."""

from __future__ import annotations

import contextlib
import hashlib
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cnnexp.errors import ModelError
from cnnexp.experiment.listener import Listener
from cnnexp.models.pretrained import PublishedWeights, load_pretrained, published_weights, read_weights

SECONDS_OF_SILENCE = 15.0  # of a server, after which it counts as away; torch.hub would wait for ever


def start_from_weights(
    network: nn.Module, asked: str | bool, *, model: str, arguments: Mapping[str, Any], listener: Listener
) -> str:
    """Puts a file's weights, or torchvision's, into a network.

    Args:
        network: changed in place.
        asked: a file, or True for torchvision's weights of the model.
        model: registered name.
        arguments: of the model's builder.
        listener: hears of the download, and of what had to be fitted.

    Returns:
        What the weights are, for the record: torchvision's name, or the file's and the start of its SHA-256.

    Raises:
        ModelError: there are none, they cannot be had or read, or they are of another network.
    """
    if isinstance(asked, str):
        path = Path(asked).expanduser()
        weights = read_weights(path)
        label = f"{path.name} sha256:{_sha256(path)[:12]}"
    else:
        published = published_weights(model, arguments)
        weights = read_weights(_downloaded(published, listener))
        label = published.name
    for note in load_pretrained(network, weights, name=model):
        listener.note(f"pretrained weights {label}: {note}")
    return label


def _downloaded(published: PublishedWeights, listener: Listener) -> Path:
    """Returns the file in torch's own cache, where torchvision would look for it."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / published.file_name
    if path.is_file():
        return path
    listener.note(f"downloading {published.url} to {path.parent}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _patience():
            torch.hub.download_url_to_file(
                published.url, str(path), hash_prefix=published.hash_prefix, progress=False
            )
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: what came has another checksum
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise ModelError(
            f"the weights {published.name} cannot be downloaded from {published.url} ({reason}); go online, "
            "or fetch that file elsewhere and give --pretrained FILE."
        ) from error
    return path


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_OF_SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
