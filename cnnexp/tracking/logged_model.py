"""Saves a network as an MLflow model that needs nothing of ours: a traced graph, preprocessing inside."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnexp.tracking.quiet import quiet_mlflow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

_REQUIREMENTS = ("torch", "numpy", "mlflow")
_ROOM_FOR_THE_GRAPH = 4 * 2**20  # bytes; of a large network the graph takes about one


def save_model(
    module: nn.Module,
    folder: Path,
    *,
    example: NDArray[np.uint8],
    class_names: Sequence[str],
    extra_metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes an MLflow model (pytorch and pyfunc flavours) to a folder.

    The format is pt2: the graph that `torch.export` traces, readable without our classes. LeNet takes 0.9 s
    the first time in a process and 0.2 s then, most of it tracing. (Writing MLmodel ourselves would save
    0.3 s of MLflow's look at the installed packages, for 25 lines that know its private file names.)

    Args:
        module: uint8 images (N, C, H, W) in, class scores (N, K) out; in eval mode, on the CPU.
        folder: must not exist, or be empty.
        example: uint8 (n, C, H, W), n at least 2: an axis of one would be traced as a constant.
        class_names: K names, by label; pyfunc users find them as `model.metadata.metadata["class_names"]`.
        extra_metadata: more of that, in types that YAML can hold.

    Raises:
        ValueError: the example has fewer than two images.
        OSError: the disk has no room for it.
    """
    if len(example) <= 1:
        raise ValueError("the example needs at least two images")
    _check_room(module, folder.parent)
    with quiet_mlflow():
        import mlflow.pytorch
        import numpy as np
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        images = TensorSpec(np.dtype("uint8"), (-1, *example.shape[1:]), name=None)
        scores = TensorSpec(np.dtype("float32"), (-1, len(class_names)), name=None)
        mlflow.pytorch.save_model(
            module,
            str(folder),
            serialization_format="pt2",
            signature=ModelSignature(Schema([images]), Schema([scores])),
            input_example=example,
            pip_requirements=requirements(),
            metadata={"class_names": list(class_names), **(extra_metadata or {})},
        )


def _check_room(module: nn.Module, place: Path) -> None:
    """Refuses before torch does: where its writer meets a full disk, it ends the whole process.

    Twice the weights: the saved model, and the copy that the store makes (measured: little more).
    """
    weights = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    if shutil.disk_usage(place).free < 2 * weights + _ROOM_FOR_THE_GRAPH:
        raise OSError(errno.ENOSPC, "No space left on device", str(place))


def requirements() -> list[str]:
    """Returns what the model needs to be loaded, pinned, without a local part such as `+cu132`."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in _REQUIREMENTS]
