"""What the benchmarks train: the CIFAR-10 net of a published experiment, and random images in its shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from cnnexp import ImageArrays, ImageSpec, register_dataset, register_model

CIFAR = "bench-cifar"
WIDTHS = (32, 64, 128)
CLASSES = tuple(f"class {number}" for number in range(10))
NUM_TRAIN, NUM_TEST = 50_000, 1_000  # as CIFAR-10; the test part is not looked at


@register_model(CIFAR)
def cifar_net(spec: ImageSpec) -> nn.Module:
    """Three blocks conv 3×3 - batch norm - ReLU - max pool, then 256, 128 and the classes with dropout 0.5.

    (N, 3, 32, 32) -> logits (N, K); 652,426 parameters for 10 classes.
    """
    layers: list[nn.Module] = []
    channels = spec.channels
    for width in WIDTHS:
        conv = nn.Conv2d(channels, width, 3, padding=1)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    shrunk = 2 ** len(WIDTHS)
    features = channels * (spec.height // shrunk) * (spec.width // shrunk)
    layers.append(nn.Flatten())
    for width in (256, 128):
        layers += [nn.Linear(features, width), nn.ReLU(), nn.Dropout(0.5)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, spec.num_classes))


@register_dataset(CIFAR)
def cifar_shapes(_data_dir: Path) -> ImageArrays:
    """Random images in the number and shape of CIFAR-10."""
    return random_images(NUM_TRAIN, NUM_TEST)


def random_images(num_train: int, num_test: int) -> ImageArrays:
    """Returns random 3×32×32 images of ten classes."""
    random = np.random.default_rng(0)
    images, test_images = (
        random.integers(0, 256, (count, 32, 32, 3), np.uint8) for count in (num_train, num_test)
    )
    labels, test_labels = (np.arange(count) % len(CLASSES) for count in (num_train, num_test))
    return ImageArrays(images, labels, CLASSES, test_images, test_labels)
