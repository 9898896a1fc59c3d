"""Weights that were trained before: read from a file, fitted to other channels and classes, put in.

torchvision publishes weights of some networks, trained on ImageNet; a file may hold those of any model.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from cnnexp.errors import ModelError
from cnnexp.models.freezing import head_of

Weights = dict[str, Tensor]
# Model -> torchvision's name. The layers of vgg have other names there, and the same order.
PUBLISHED = {
    "alexnet-tv": "alexnet",
    "densenet121": "densenet121",
    "googlenet": "googlenet",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "vgg11": "vgg11",
    "vgg13": "vgg13",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
}
_OF_RUN = "model/"  # before the names in a checkpoint of ours
_COUNTER = "num_batches_tracked"  # old files lack it, and nothing here reads it
_AUXILIARY = ("aux1.", "aux2.")  # GoogLeNet's heads for training
_OF_VGG = re.compile(r"(features|classifier)\.\d+\.\w+")  # torchvision numbers the layers of both sections
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)")


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """torchvision's weights of a model: its name for them, and where they are."""

    name: str
    url: str

    @property
    def file_name(self) -> str:
        """The file's name, whose last part is the start of its SHA-256."""
        return self.url.rpartition("/")[2]

    @property
    def hash_prefix(self) -> str:
        """Eight hex digits."""
        return Path(self.file_name).stem.rpartition("-")[2]


def published_weights(name: str, arguments: Mapping[str, Any]) -> PublishedWeights:
    """Returns torchvision's best weights of a model.

    Raises:
        ModelError: there are none; those that have some are named.
    """
    if name not in PUBLISHED:
        raise ModelError(
            f"there are no published weights of {name}; of {', '.join(PUBLISHED)} there are; leave "
            "--pretrained out, or give it a file of your own."
        )
    from torchvision.models import get_model_weights

    suffix = "_bn" if arguments.get("batch_norm") else ""
    best = get_model_weights(PUBLISHED[name] + suffix).DEFAULT
    return PublishedWeights(str(best), best.url)


def normalization_of(name: str) -> Literal["imagenet", "half", "dataset"]:
    """Returns what the pixels must be scaled by for weights of a model: as they were in its training."""
    if name not in PUBLISHED:
        return "dataset"
    return "half" if name == "googlenet" else "imagenet"  # GoogLeNet's were converted from TensorFlow


def read_weights(path: Path) -> Weights:
    """Reads a `.safetensors` file, or one of torch.save that holds tensors only: no code of a file is run.

    Raises:
        ModelError: it is missing, torn, or not such a file.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: object = load_file(path)
        else:
            with warnings.catch_warnings():  # of pickle's protocol, where it will refuse anyway
                warnings.simplefilter("ignore", UserWarning)
                found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = "it holds code, or is no file of torch.save"
        raise ModelError(_unreadable(path, reason)) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0] or "it is torn"
        raise ModelError(_unreadable(path, reason)) from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise ModelError(_unreadable(path, "it holds no table of tensors by name"))
    of_run = {key.removeprefix(_OF_RUN): value for key, value in found.items() if key.startswith(_OF_RUN)}
    return of_run or found


def _unreadable(path: Path, reason: str) -> str:
    return (
        f"the weights {str(path)!r} cannot be read ({reason}); give --pretrained a .pth or .safetensors file "
        "of a model's state_dict."
    )


def load_pretrained(model: nn.Module, weights: Mapping[str, Tensor], *, name: str) -> list[str]:
    """Puts weights into a model; its head keeps its own draw where the number of classes differs.

    Where the images are grey and the weights are of colour, the first convolution sums its kernels over the
    colours: it answers to grey as it would to the same picture in colour. The other way round it shares its
    kernel out over the colours.

    Args:
        model: changed in place.
        weights: by name, of the same network.
        name: of the model, for messages.

    Returns:
        What was fitted, as sentences for the user.

    Raises:
        ModelError: they are weights of another network; the first that does not fit is named.
    """
    own = {key: value for key, value in model.state_dict().items() if not key.endswith(_COUNTER)}
    found = named_alike(weights, own)
    for key in [*own, *found]:
        if key not in own or key not in found:
            where = "the weights" if key in own else "the model"
            raise ModelError(
                f"the weights do not fit {name}: {where} lack {key}; choose the model they are of."
            )
    stem = next((key for key, one in model.named_modules() if isinstance(one, nn.Conv2d)), "")
    head, _ = head_of(model)
    notes = []
    for key, value in own.items():
        if found[key].shape == value.shape:
            continue
        if key == f"{stem}.weight" and found[key].shape[2:] == value.shape[2:]:
            found[key] = _other_channels(found[key], value.shape[1])
            notes.append(f"{key} was fitted to {value.shape[1]} channel(s)")
        elif key.rpartition(".")[0] == head and found[key].shape[1:] == value.shape[1:]:
            if key.endswith("weight"):
                notes.append(
                    f"{head} starts anew: {len(found[key])} classes in the weights, {len(value)} here"
                )
            found[key] = value
        if found[key].shape != value.shape:
            raise ModelError(_misfit(name, key, found[key], value))
    # Without their counters torch would count old files as of another version, and put zeros in.
    counters = {key: value for key, value in model.state_dict().items() if key.endswith(_COUNTER)}
    model.load_state_dict({**found, **counters})
    return notes


def named_alike(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Weights:
    """Returns weights under the model's own names, without what it has no use for."""
    found = {
        _OLD_DENSENET.sub(r"\1\2", key): value
        for key, value in weights.items()
        if not key.endswith(_COUNTER) and not (key.startswith(_AUXILIARY) and key not in own)
    }
    if not all(_OF_VGG.fullmatch(key) for key in found) or set(found) == set(own):
        return found
    theirs = sorted({key.rpartition(".")[0] for key in found}, key=_place_in_vgg)
    ours = dict.fromkeys(key.rpartition(".")[0] for key in own)  # in order, each once
    names = dict(zip(theirs, ours, strict=False))
    return {
        f"{names.get(layer, layer)}.{kind}": value
        for key, value in found.items()
        for layer, _, kind in (key.rpartition("."),)
    }


def _place_in_vgg(layer: str) -> tuple[bool, int]:
    section, _, number = layer.partition(".")
    return (section == "classifier", int(number))


def _other_channels(kernels: Tensor, channels: int) -> Tensor:
    """Returns kernels (K, C, R, S) for another C, such that a grey picture gets the same answer."""
    grey = kernels.sum(dim=1, keepdim=True)
    return grey.repeat(1, channels, 1, 1) / channels


def _misfit(name: str, key: str, found: Tensor, own: Tensor) -> str:
    theirs, ours = ("×".join(str(side) for side in one.shape) or "1" for one in (found, own))
    return (
        f"the weights do not fit {name}: {key} is {theirs} in them and {ours} in the model; build it as it "
        "was trained (--image-size, 224 for torchvision's; --set), or leave --pretrained out."
    )
