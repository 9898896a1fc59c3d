"""Layers in order, each knowing the shape that reaches it: heads follow the image size, never a literal.

A name with a dot stands inside a block: `block1.conv1` and `block1.pool` make one block of two layers.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from cnnexp.errors import ModelError
from cnnexp.image_spec import ImageSpec


class ImageTooSmallError(ModelError):
    """A layer gets fewer pixels than its window covers beyond the padding."""

    def __init__(self, layer: str, size: tuple[int, int], needed: int) -> None:
        super().__init__(
            f"layer {layer} needs at least {needed}×{needed} pixels and gets {size[0]}×{size[1]}"
        )


class LayerStack:
    """Builds an `nn.Sequential` while following the shape (C, H, W) through it.

    Args:
        spec: shape of the images that enter.
    """

    def __init__(self, spec: ImageSpec) -> None:
        self.channels, self.height, self.width = spec.shape
        self._layers: OrderedDict[str, nn.Module] = OrderedDict()

    @property
    def features(self) -> int:
        """How many numbers an image has become: C·H·W."""
        return self.channels * self.height * self.width

    def conv(
        self, name: str, out_channels: int, *, kernel_size: int, padding: int = 0, stride: int = 1
    ) -> LayerStack:
        """Adds a convolution; output size is (in + 2·padding − kernel) / stride + 1.

        Raises:
            ImageTooSmallError: the padded image is smaller than the kernel.
        """
        layer = nn.Conv2d(self.channels, out_channels, kernel_size, stride=stride, padding=padding)
        self._shrink(name, kernel_size, stride, padding)
        self.channels = out_channels
        return self.add(name, layer)

    def pool(self, name: str, layer: nn.MaxPool2d | nn.AvgPool2d) -> LayerStack:
        """Adds a pooling layer with a square window and without padding.

        Raises:
            ImageTooSmallError: nothing would be left.
        """
        window, stride = layer.kernel_size, layer.stride
        assert isinstance(window, int)
        assert isinstance(stride, int)
        self._shrink(name, window, stride, 0)
        return self.add(name, layer)

    def average_all(self, name: str) -> LayerStack:
        """Adds the average over all pixels that are left, and drops the two pixel axes."""
        self.height = self.width = 1
        return self.add(name, nn.AdaptiveAvgPool2d(1)).add("flatten", nn.Flatten())

    def flatten(self) -> LayerStack:
        """Adds the step from (C, H, W) to one axis of C·H·W features."""
        self.channels, self.height, self.width = self.features, 1, 1
        return self.add("flatten", nn.Flatten())

    def linear(self, name: str, out_features: int) -> LayerStack:
        """Adds a fully connected layer."""
        layer = nn.Linear(self.features, out_features)
        self.channels = out_features
        return self.add(name, layer)

    def add(self, name: str, layer: nn.Module) -> LayerStack:
        """Adds a layer that keeps the shape."""
        self._layers[name] = layer
        return self

    def build(self) -> nn.Sequential:
        """Returns the network; layers keep their names in `state_dict`."""
        children: OrderedDict[str, nn.Module] = OrderedDict()
        for name, layer in self._layers.items():
            block, dot, inner = name.partition(".")
            if not dot:
                children[name] = layer
                continue
            inside = children.setdefault(block, nn.Sequential())
            inside.add_module(inner, layer)
        return nn.Sequential(children)

    def _shrink(self, name: str, window: int, stride: int, padding: int) -> None:
        needed = window - 2 * padding
        if min(self.height, self.width) < needed:
            raise ImageTooSmallError(name, (self.height, self.width), needed)
        self.height = (self.height + 2 * padding - window) // stride + 1
        self.width = (self.width + 2 * padding - window) // stride + 1
