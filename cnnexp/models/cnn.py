"""Small convolutional networks of two and three convolutions, as courses and tutorials build them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from cnnexp.image_spec import ImageSpec
from cnnexp.models.registry import register_model
from cnnexp.models.stack import LayerStack
from cnnexp.settings.ranges import Choice, FloatRange, IntRange

Width = Annotated[int, Field(ge=1, le=4096), Choice((16, 32, 64, 128))]


@register_model("cnn", aliases=("small-cnn",))
def cnn(spec: ImageSpec, *, width: Annotated[int, Field(ge=1, le=4096), IntRange(4, 16)] = 6) -> nn.Module:
    """Two 5×5 convolutions of equal width, each pooled, then 50: as many parameters as `mlp` has.

    (N, C, H, W) -> logits (N, K); on 1×28×28 and 10 classes 6,422 parameters, beside 6,442 of `mlp`. The
    course ends it in log-softmax and trains with the negative log-likelihood; the cross-entropy that is
    trained with here is just that, of logits: −log softmax(z)_y = NLL(log_softmax(z), y).

    Source: the MNIST coursework of FACTS S2, after Y. LeCun et al., Proc. IEEE 86 (1998).
    """
    stack = LayerStack(spec)
    for number in (1, 2):
        stack.conv(f"conv{number}", width, kernel_size=5)
        stack.add(f"act{number}", nn.ReLU()).pool(f"pool{number}", nn.MaxPool2d(2))
    stack.flatten().linear("fc1", 50).add("act3", nn.ReLU())
    return stack.linear("fc2", spec.num_classes).build()


@register_model("cifar-tutorial", aliases=("pytorch-tutorial",))
def cifar_tutorial(spec: ImageSpec) -> nn.Module:
    """The net of PyTorch's CIFAR-10 tutorial: LeNet in colour, with ReLU.

    (N, C, H, W) -> logits (N, K); on 3×32×32 and 10 classes 62,006 parameters.

    Source: PyTorch tutorials, "Training a classifier".
    """
    stack = LayerStack(spec)
    stack.conv("conv1", 6, kernel_size=5).add("act1", nn.ReLU()).pool("pool1", nn.MaxPool2d(2))
    stack.conv("conv2", 16, kernel_size=5).add("act2", nn.ReLU()).pool("pool2", nn.MaxPool2d(2)).flatten()
    stack.linear("fc1", 120).add("act3", nn.ReLU()).linear("fc2", 84).add("act4", nn.ReLU())
    return stack.linear("fc3", spec.num_classes).build()


@register_model("three-block", aliases=("simple-cnn",))
def three_block(
    spec: ImageSpec,
    *,
    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=12), IntRange(1, 4)] = (32, 64, 128),
    dropout: Annotated[float, Field(ge=0, lt=1), FloatRange(0.0, 0.6)] = 0.5,
) -> nn.Module:
    """Blocks of 3×3 convolution, batch norm, ReLU and pooling, then 256 and 128 with dropout.

    (N, C, H, W) -> logits (N, K); on 3×32×32 and 10 classes 652,426 parameters. A block halves the image.

    Source: the CIFAR-10 write-up of FACTS S4; batch norm: S. Ioffe, C. Szegedy, arXiv:1502.03167.
    """
    stack = LayerStack(spec)
    for number, width in enumerate(widths, start=1):
        stack.conv(f"block{number}.conv", width, kernel_size=3, padding=1)
        stack.add(f"block{number}.norm", nn.BatchNorm2d(width)).add(f"block{number}.act", nn.ReLU())
        stack.pool(f"block{number}.pool", nn.MaxPool2d(2))
    stack.flatten()
    for number, width in enumerate((256, 128), start=1):
        stack.linear(f"fc{number}", width).add(f"act{number}", nn.ReLU())
        stack.add(f"dropout{number}", nn.Dropout(dropout))
    return stack.linear("fc3", spec.num_classes).build()
