"""LeNet: two convolutions, two poolings, three linear layers; the textbook's form and a modernised one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from cnnexp.image_spec import ImageSpec
from cnnexp.models.registry import register_model
from cnnexp.models.stack import LayerStack
from cnnexp.settings.ranges import Choice, FloatRange

Activation = Literal["sigmoid", "tanh", "relu"]
Pooling = Literal["max", "average"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
POOLINGS: dict[str, type[nn.MaxPool2d | nn.AvgPool2d]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


@register_model("lenet", aliases=("lenet5", "lenet-5"))
def lenet(
    spec: ImageSpec,
    *,
    activation: Annotated[Activation, Choice(("sigmoid", "tanh", "relu"))] = "sigmoid",
    pooling: Annotated[Pooling, Choice(("max", "average"))] = "max",
    padding: Annotated[int, Field(ge=0, le=4)] = 0,
    dropout: Annotated[float, Field(ge=0, lt=1), FloatRange(0.0, 0.6)] = 0.0,
) -> nn.Module:
    """LeNet-5 in its textbook form: 6 and 16 kernels of 5×5, then 120, 84 and the classes.

    (N, C, H, W) -> logits (N, K); on 1×28×28 and 10 classes 44,426 parameters.

    Source: Y. LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998).
    """
    act, pool = ACTIVATIONS[activation], POOLINGS[pooling]
    stack = LayerStack(spec)
    stack.conv("conv1", 6, kernel_size=5, padding=padding).add("act1", act()).pool("pool1", pool(2))
    stack.conv("conv2", 16, kernel_size=5).add("act2", act()).pool("pool2", pool(2)).flatten()
    stack.linear("fc1", 120).add("act3", act()).linear("fc2", 84).add("act4", act())
    if dropout:
        stack.add("dropout", nn.Dropout(dropout))
    return stack.linear("fc3", spec.num_classes).build()


@register_model("lenet-reader", aliases=("lenet-relu",))
def lenet_reader(
    spec: ImageSpec, *, dropout: Annotated[float, Field(ge=0, lt=1), FloatRange(0.0, 0.6)] = 0.5
) -> nn.Module:
    """LeNet-5 as a reader changed it: padding 2, ReLU, average pooling, dropout before the last layer.

    (N, C, H, W) -> logits (N, K); on 1×28×28 and 10 classes 61,706 parameters.

    Source: of the network as for `lenet`; of the dropout N. Srivastava et al., JMLR 15 (2014).
    """
    return lenet(spec, activation="relu", pooling="average", padding=2, dropout=dropout)
