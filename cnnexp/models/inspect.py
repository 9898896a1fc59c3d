"""What shapes tell of a network before it is trained: a batch size that its batch norm cannot train with."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from cnnexp.errors import ModelError
from cnnexp.image_spec import ImageSpec
from cnnexp.models.twin import leaves, watch_twin

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def check_batch_size(model: nn.Module, spec: ImageSpec, batch_size: int) -> None:
    """Refuses what batch norm cannot train on: one image whose maps have shrunk to one pixel.

    Raises:
        ModelError: with a batch of one image a layer gets one value per channel; it is named.
    """

    def watch(twin: nn.Module, images: Tensor) -> None:
        for name, layer in leaves(twin).items():
            if isinstance(layer, BATCH_NORMS):
                layer.register_forward_pre_hook(partial(_refuse_one_value, name))
        twin(images)

    if batch_size == 1:
        watch_twin(model, (1, *spec.shape), watch)


def _refuse_one_value(name: str, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if inputs[0].numel() == inputs[0].shape[1]:
        raise ModelError(
            f"batch size 1 leaves layer {name} ({type(layer).__name__}) one value per channel, and "
            "batch norm cannot train on that; use --batch-size 2 or more."
        )
