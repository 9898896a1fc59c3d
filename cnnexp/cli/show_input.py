"""For which images `cnnexp show` builds a network: asked for, a data set's, or the first that fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cnnexp.errors import ModelError, UserError
from cnnexp.image_spec import ImageSpec

DEFAULT_CLASSES = 10
LARGEST = 4096  # channels, or pixels a side
FAMILIAR = {  # tried in this order where nothing is asked for
    "Fashion-MNIST's": ImageSpec(1, 28, 28, DEFAULT_CLASSES),
    "CIFAR-10's": ImageSpec(3, 32, 32, DEFAULT_CLASSES),
    "ImageNet's": ImageSpec(3, 224, 224, DEFAULT_CLASSES),
}


def find_spec(
    names: Sequence[str],
    arguments: Mapping[str, object],
    *,
    shape: str | None,
    classes: int | None,
    dataset: str | None,
    image_size: str | None,
    data_dir: str | None,
) -> tuple[ImageSpec, str]:
    """Returns the images, and where their shape comes from.

    Raises:
        UserError: the shape is none, or asked for twice; the data set is unknown or not to be had.
    """
    if shape is not None and dataset is not None:
        raise UserError(f"--input {shape} and --dataset {dataset} both say how images are; give one of them.")
    if dataset is not None and classes is not None:
        raise UserError(
            f"--dataset {dataset} says how many classes there are; leave --classes {classes} out."
        )
    size = _size(image_size)
    if dataset is not None:
        return _of_dataset(dataset, size, data_dir), f"as {dataset} has them"
    if shape is not None:
        spec = parse_shape(shape)
        return _changed(spec, size, classes), "as asked for"
    return _familiar(names, arguments, size, classes)


def parse_shape(text: str) -> ImageSpec:
    """Reads `1x28x28`: channels, height, width.

    Raises:
        UserError: the text is of another form, or a number is out of range.
    """
    sides = re.split(r"[x×]", text.strip().lower())
    if len(sides) != 3 or not all(side.isascii() and side.isdigit() for side in sides):  # noqa: PLR2004 - C, H, W
        raise UserError(f"--input {text!r} must be CxHxW (channels, height, width), such as 1x28x28.")
    numbers = [int(side) for side in sides]
    if not all(1 <= number <= LARGEST for number in numbers):
        raise UserError(
            f"--input {text!r} must have 1 to {LARGEST} channels and sides of 1 to {LARGEST} pixels, "
            "such as 1x28x28."
        )
    channels, height, width = numbers
    return ImageSpec(channels, height, width, DEFAULT_CLASSES)


def _size(text: str | None) -> tuple[int, int] | None:
    from cnnexp.settings.types import parse_image_size

    try:
        size = None if text is None else parse_image_size(text)
    except ValueError as error:
        raise UserError(f"--image-size {text!r} {error}.") from error
    return size if isinstance(size, tuple) else None


def _changed(spec: ImageSpec, size: tuple[int, int] | None, classes: int | None) -> ImageSpec:
    height, width = size or (spec.height, spec.width)
    return ImageSpec(spec.channels, height, width, classes or spec.num_classes)


def _of_dataset(dataset: str, size: tuple[int, int] | None, data_dir: str | None) -> ImageSpec:
    from cnnexp.data.load import image_spec
    from cnnexp.settings import DataSettings

    return image_spec(DataSettings(dataset=dataset, image_size=size, data_dir=data_dir))


def _familiar(
    names: Sequence[str], arguments: Mapping[str, object], size: tuple[int, int] | None, classes: int | None
) -> tuple[ImageSpec, str]:
    """Returns the first of the familiar shapes that every model takes.

    Raises:
        ModelError: why a model takes none of them.
    """
    from cnnexp.models import outline_model

    refused: ModelError | None = None
    for whose, familiar in FAMILIAR.items():
        spec = _changed(familiar, size, classes)
        try:
            for name in names:
                outline_model(name, spec, arguments)
        except ModelError as error:
            refused = error
        else:
            return spec, f"{whose} shape, the first that fits; --input or --dataset asks for another"
    assert refused is not None
    raise refused
