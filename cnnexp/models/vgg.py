"""VGG: blocks of 3×3 convolutions, each block ended by a pooling that halves the image.

Source of all: K. Simonyan, A. Zisserman, Very deep convolutional networks for large-scale image recognition,
arXiv:1409.1556, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field
from torch import nn

from cnnexp.image_spec import ImageSpec
from cnnexp.models.registry import register_model
from cnnexp.models.stack import LayerStack
from cnnexp.settings.ranges import Choice, FloatRange

WIDTHS = (64, 128, 256, 512, 512)


def _convolutions_first(block: tuple[int, int]) -> tuple[int, int]:
    convolutions, width = block
    if convolutions > width:
        raise ValueError(
            f"holds ({convolutions}, {width}), a block of {convolutions} convolutions of width {width}: "
            f"a pair is (convolutions, width); write ({width}, {convolutions}) for {width} of width "
            f"{convolutions}"
        )
    return block


Count = Annotated[int, Field(ge=1, le=64)]
BlockWidth = Annotated[int, Field(ge=1, le=4096)]
Block = Annotated[tuple[Count, BlockWidth], AfterValidator(_convolutions_first)]
Blocks = Annotated[tuple[Block, ...], Field(min_length=1, max_length=9)]
Divisor = Annotated[int, Field(ge=1, le=64), Choice((1, 2, 4, 8))]
Norm = Annotated[bool, Choice((False, True))]
Dropout = Annotated[float, Field(ge=0, lt=1), FloatRange(0.0, 0.6)]
Hidden = Annotated[int, Field(ge=1, le=16384), Choice((256, 1024, 4096))]


@register_model("vgg")
def vgg(
    spec: ImageSpec,
    *,
    blocks: Blocks = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)),
    width_divisor: Divisor = 1,
    batch_norm: Norm = False,
    hidden: Hidden = 4096,
    dropout: Dropout = 0.5,
) -> nn.Module:
    """VGG of any blocks, each a pair (convolutions, width): blocks=[[1,16],[2,32]].

    (N, C, H, W) -> logits (N, K). `width_divisor` makes the convolutions narrower, not the two layers of
    `hidden` units before the last; each block halves the image. The default is `vgg11`.
    """
    stack = LayerStack(spec)
    _add_blocks(stack, [(count, max(1, width // width_divisor)) for count, width in blocks], batch_norm)
    stack.flatten()
    for number in (1, 2):
        stack.linear(f"fc{number}", hidden).add(f"act{number}", nn.ReLU())
        stack.add(f"dropout{number}", nn.Dropout(dropout))
    return stack.linear("fc3", spec.num_classes).build()


def _register_column(depth: int, counts: Sequence[int], parameters: str, at_a_quarter: str) -> None:
    """Registers a column of the paper's table 1: it has `vgg`'s arguments but the blocks."""

    def column(
        spec: ImageSpec,
        *,
        width_divisor: Divisor = 1,
        batch_norm: Norm = False,
        hidden: Hidden = 4096,
        dropout: Dropout = 0.5,
    ) -> nn.Module:
        return vgg(
            spec,
            blocks=_pairs(counts),
            width_divisor=width_divisor,
            batch_norm=batch_norm,
            hidden=hidden,
            dropout=dropout,
        )

    column.__name__ = f"vgg{depth}"
    column.__doc__ = f"""VGG-{depth}: {sum(counts)} convolutions in 5 blocks, 3 linear layers.

    (N, C, H, W) -> logits (N, K); on 1×224×224 and 10 classes {parameters} parameters, {at_a_quarter} with
    width_divisor=4.
    """
    register_model(f"vgg{depth}", aliases=(f"vgg-{depth}",))(column)


_register_column(11, (1, 1, 2, 2, 2), "128,806,154", "43,093,322")  # A
_register_column(13, (2, 2, 2, 2, 2), "128,990,666", "43,104,890")  # B
_register_column(16, (2, 2, 3, 3, 3), "134,300,362", "43,436,986")  # D
_register_column(19, (2, 2, 4, 4, 4), "139,610,058", "43,769,082")  # E


@register_model("vgg8-cifar", aliases=("vgg11-cifar", "vgg11-bn-cifar"))
def vgg8_cifar(spec: ImageSpec, *, last_pool: Annotated[bool, Choice((False, True))] = True) -> nn.Module:
    """The 8 convolutions of VGG-11 with batch norm, and one linear layer: what a course called "VGG16".

    (N, C, H, W) -> logits (N, K); on 3×32×32 and 10 classes 9,231,114 parameters, and 9,246,474 with
    last_pool=false: the linear layer then gets 2,048 numbers in place of 512. As published (FACTS S2) it
    expected 2,048 behind the last pooling, and could not run; these are the two repairs.
    """
    return _for_cifar(spec, (1, 1, 2, 2, 2), last_pool=last_pool)


@register_model("vgg16-cifar", aliases=("vgg16-bn-cifar",))
def vgg16_cifar(spec: ImageSpec, *, last_pool: Annotated[bool, Choice((False, True))] = True) -> nn.Module:
    """VGG-16 with batch norm as it is used on CIFAR: 13 convolutions and one linear layer.

    (N, C, H, W) -> logits (N, K); on 3×32×32 and 10 classes 14,728,266 parameters.
    """
    return _for_cifar(spec, (2, 2, 3, 3, 3), last_pool=last_pool)


def _pairs(counts: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(zip(counts, WIDTHS, strict=True))


def _for_cifar(spec: ImageSpec, counts: Sequence[int], *, last_pool: bool) -> nn.Module:
    stack = LayerStack(spec)
    _add_blocks(stack, _pairs(counts), batch_norm=True, last_pool=last_pool)
    return stack.flatten().linear("fc", spec.num_classes).build()


def _add_blocks(
    stack: LayerStack, blocks: Sequence[tuple[int, int]], batch_norm: bool, *, last_pool: bool = True
) -> None:
    for block, (count, width) in enumerate(blocks, start=1):
        for number in range(1, count + 1):
            stack.conv(f"block{block}.conv{number}", width, kernel_size=3, padding=1)
            if batch_norm:
                stack.add(f"block{block}.norm{number}", nn.BatchNorm2d(width))
            stack.add(f"block{block}.act{number}", nn.ReLU())
        if last_pool or block < len(blocks):
            stack.pool(f"block{block}.pool", nn.MaxPool2d(2))
