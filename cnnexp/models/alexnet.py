"""AlexNet in the form of textbooks: one tower, no local response normalisation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from cnnexp.image_spec import ImageSpec
from cnnexp.models.registry import register_model
from cnnexp.models.stack import LayerStack
from cnnexp.settings.ranges import Choice, FloatRange


@register_model("alexnet")
def alexnet(
    spec: ImageSpec,
    *,
    hidden: Annotated[int, Field(ge=1, le=16384), Choice((256, 1024, 4096))] = 4096,
    dropout: Annotated[float, Field(ge=0, lt=1), FloatRange(0.0, 0.6)] = 0.5,
) -> nn.Module:
    """AlexNet, textbook form: 5 convolutions of 11×11, 5×5 and 3×3, overlapping poolings, 3 linear layers.

    (N, C, H, W) -> logits (N, K); on 1×224×224 and 10 classes 46,764,746 parameters.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet classification with deep convolutional neural
    networks, NIPS 2012; of the form A. Zhang et al., Dive into Deep Learning, chapter 8.1.
    """
    stack = LayerStack(spec)
    stack.conv("conv1", 96, kernel_size=11, stride=4, padding=1).add("act1", nn.ReLU())
    stack.pool("pool1", nn.MaxPool2d(3, stride=2))
    stack.conv("conv2", 256, kernel_size=5, padding=2).add("act2", nn.ReLU())
    stack.pool("pool2", nn.MaxPool2d(3, stride=2))
    for number, width in ((3, 384), (4, 384), (5, 256)):
        stack.conv(f"conv{number}", width, kernel_size=3, padding=1).add(f"act{number}", nn.ReLU())
    stack.pool("pool5", nn.MaxPool2d(3, stride=2)).flatten()
    for number in (1, 2):
        stack.linear(f"fc{number}", hidden).add(f"act{number + 5}", nn.ReLU())
        stack.add(f"dropout{number}", nn.Dropout(dropout))
    return stack.linear("fc3", spec.num_classes).build()
