"""Networks that torchvision builds, with a first convolution for the images' channels.

torchvision is imported when one of them is built: it takes a second, and lists need none of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import Field
from torch import nn

from cnnexp.image_spec import ImageSpec
from cnnexp.models.registry import register_model
from cnnexp.settings.ranges import Choice, FloatRange

RGB = 3
Dropout = Annotated[float, Field(ge=0, lt=1), FloatRange(0.0, 0.6)]
Stem = Annotated[Literal["imagenet", "cifar"], Choice(("imagenet", "cifar"))]


@register_model("alexnet-tv", aliases=("alexnet-torchvision",))
def alexnet_tv(spec: ImageSpec, *, dropout: Dropout = 0.5) -> nn.Module:
    """AlexNet, torchvision's narrower form: its maps are averaged to 6×6 whatever the image's size.

    (N, C, H, W) -> logits (N, K); on 3×224×224 and 10 classes 57,044,810 parameters.

    Source: A. Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997.
    """
    return _built("alexnet", spec, dropout=dropout)


@register_model("googlenet", aliases=("inception-v1",))
def googlenet(spec: ImageSpec, *, dropout: Dropout = 0.2) -> nn.Module:
    """GoogLeNet: 9 inception modules, batch norm, no auxiliary heads.

    (N, C, H, W) -> logits (N, K); on 3×224×224 and 10 classes 5,610,154 parameters.

    Source: C. Szegedy et al., Going deeper with convolutions, arXiv:1409.4842.
    """
    return _built("googlenet", spec, aux_logits=False, init_weights=False, dropout=dropout)


@register_model("resnet18", aliases=("resnet-18",))
def resnet18(spec: ImageSpec, *, stem: Stem = "imagenet") -> nn.Module:
    """ResNet-18: 8 basic blocks; stem=cifar starts with a 3×3 convolution and no pooling.

    (N, C, H, W) -> logits (N, K); on 3×224×224 and 10 classes 11,181,642 parameters.

    Source: K. He et al., Deep residual learning for image recognition, arXiv:1512.03385.
    """
    return _resnet("resnet18", spec, stem)


@register_model("resnet34", aliases=("resnet-34",))
def resnet34(spec: ImageSpec, *, stem: Stem = "imagenet") -> nn.Module:
    """ResNet-34: 16 basic blocks; stem=cifar starts with a 3×3 convolution and no pooling.

    (N, C, H, W) -> logits (N, K); on 3×224×224 and 10 classes 21,289,802 parameters.

    Source: K. He et al., arXiv:1512.03385.
    """
    return _resnet("resnet34", spec, stem)


@register_model("resnet50", aliases=("resnet-50",))
def resnet50(spec: ImageSpec, *, stem: Stem = "imagenet") -> nn.Module:
    """ResNet-50: 16 bottleneck blocks; stem=cifar starts with a 3×3 convolution and no pooling.

    (N, C, H, W) -> logits (N, K); on 3×224×224 and 10 classes 23,528,522 parameters.

    Source: K. He et al., arXiv:1512.03385.
    """
    return _resnet("resnet50", spec, stem)


@register_model("resnet-cifar", aliases=("resnet", "resnet18-cifar"))
def resnet_cifar(spec: ImageSpec) -> nn.Module:
    """ResNet-18 for small images: its first convolution is 3×3 with stride 1, and no pooling follows it.

    (N, C, H, W) -> logits (N, K); on 3×32×32 and 10 classes 11,173,962 parameters.

    Source: K. He et al., arXiv:1512.03385; of the stem their section 4.2.
    """
    return _resnet("resnet18", spec, "cifar")


@register_model("densenet121", aliases=("densenet", "densenet-121"))
def densenet121(spec: ImageSpec, *, dropout: Dropout = 0.0) -> nn.Module:
    """DenseNet-121: 4 dense blocks of 58 layers, growth rate 32.

    (N, C, H, W) -> logits (N, K); on 3×224×224 and 10 classes 6,964,106 parameters.

    Source: G. Huang et al., Densely connected convolutional networks, arXiv:1608.06993.
    """
    return _built("densenet121", spec, drop_rate=dropout)


def _resnet(name: str, spec: ImageSpec, stem: str) -> nn.Module:
    network = cast(Any, _built(name, spec))
    if stem == "cifar":
        network.conv1 = nn.Conv2d(spec.channels, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return cast(nn.Module, network)


def _built(name: str, spec: ImageSpec, **options: object) -> nn.Module:
    from torchvision.models import get_model

    network: nn.Module = get_model(name, weights=None, num_classes=spec.num_classes, **options)
    if spec.channels != RGB:
        _replace_first_convolution(network, spec.channels)
    return network


def _replace_first_convolution(network: nn.Module, channels: int) -> None:
    path, first = next((name, one) for name, one in network.named_modules() if isinstance(one, nn.Conv2d))
    assert isinstance(first.padding, tuple)
    parent, _, name = path.rpartition(".")
    replacement = nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]  # torch types it as a tuple of any length
        stride=first.stride,  # type: ignore[arg-type]  # likewise
        padding=first.padding,  # type: ignore[arg-type]  # likewise
        bias=first.bias is not None,
    )
    network.get_submodule(parent).register_module(name, replacement)
