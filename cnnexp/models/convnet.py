"""A plain convolutional network of any depth: the one that experiments on depth and kernel size vary."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from cnnexp.image_spec import ImageSpec
from cnnexp.models.registry import register_model
from cnnexp.models.stack import LayerStack
from cnnexp.settings.ranges import Choice, IntRange

Width = Annotated[int, Field(ge=1, le=4096), Choice((16, 32, 64))]


@register_model("convnet")
def convnet(
    spec: ImageSpec,
    *,
    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=64), IntRange(1, 4)] = (32,),
    kernel_size: Annotated[int, Field(ge=1, le=31), Choice((3, 5, 7))] = 3,
    pool: Annotated[bool, Choice((False, True))] = False,
) -> nn.Module:
    """Convolution, batch norm, ReLU for each width; the average over what is left; one linear layer.

    (N, C, H, W) -> logits (N, K). No padding: each layer takes kernel_size − 1 pixels off each side; `pool`
    adds a 2×2 max pooling after each layer. On 3×64×64 and 3 classes 1,059 parameters.

    Source: for the order of the three, S. Ioffe, C. Szegedy, Batch Normalization, arXiv:1502.03167.
    """
    stack = LayerStack(spec)
    for number, width in enumerate(widths, start=1):
        stack.conv(f"conv{number}", width, kernel_size=kernel_size)
        stack.add(f"norm{number}", nn.BatchNorm2d(width)).add(f"act{number}", nn.ReLU())
        if pool:
            stack.pool(f"pool{number}", nn.MaxPool2d(2))
    return stack.average_all("average").linear("fc", spec.num_classes).build()
