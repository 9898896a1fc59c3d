"""A multilayer perceptron: what a convolutional network has to beat."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from cnnexp.image_spec import ImageSpec
from cnnexp.models.registry import register_model
from cnnexp.models.stack import LayerStack
from cnnexp.settings.ranges import Choice, IntRange

Width = Annotated[int, Field(ge=1, le=65536), Choice((8, 32, 128))]


@register_model("mlp")
def mlp(
    spec: ImageSpec, *, hidden: Annotated[tuple[Width, ...], Field(max_length=64), IntRange(1, 3)] = (8, 8)
) -> nn.Module:
    """Linear layers with ReLU between; the default has as many parameters as a small CNN.

    (N, C, H, W) -> logits (N, K); on 1×28×28 and 10 classes 6,442 parameters.

    Source: D. Rumelhart, G. Hinton, R. Williams, Learning representations by back-propagating errors,
    Nature 323 (1986).
    """
    stack = LayerStack(spec).flatten()
    for number, width in enumerate(hidden, start=1):
        stack.linear(f"fc{number}", width).add(f"act{number}", nn.ReLU())
    return stack.linear(f"fc{len(hidden) + 1}", spec.num_classes).build()
