"""Looks into the network of a finished run: rebuilt as it was trained, its weights loaded, and drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from cnnexp import figures
from cnnexp.data.photo import BadPhotoError, read_photo
from cnnexp.data.reading import Frame
from cnnexp.errors import DataError, UnknownNameError
from cnnexp.experiment.assemble import Assembly, assemble
from cnnexp.experiment.listener import Listener
from cnnexp.experiment.resume import best_weights, resumed_settings
from cnnexp.models.looking import convolutions, feature_maps, first_filters, grad_cam
from cnnexp.plugins import load_plugin
from cnnexp.settings import Given
from cnnexp.tracking.run import Run
from cnnexp.tracking.store import open_store
from cnnexp.training.checkpoint import load_weights

MOST_LAYERS = 6  # of which feature maps are drawn
NUM_OF_TEST_PART = 12  # images drawn at the end of a run
OF_TEST_PART = re.compile(r"test:(\d+)")
NO_MAPS = "The network has no convolution: there are no feature maps, and no Grad-CAM."


@dataclass(frozen=True, slots=True)
class Trained:
    """The network of a run with its best weights, on the CPU."""

    assembly: Assembly
    run_id: str
    run_name: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An image to be looked at.

    Attributes:
        name: for people and file names.
        pixels: uint8 (C, H, W), as the run's data set has them.
        label: its class, where that is known.
    """

    name: str
    pixels: Tensor
    label: int | None = None


def open_trained(run: str, *, tracking_uri: str | None, data_dir: str | None, listener: Listener) -> Trained:
    """Rebuilds the network of a run as training built it, and loads the weights of its best epoch.

    Raises:
        TrackingError: no such run.
        UserError: it has no weights, or its model or data are gone.
    """
    store = open_store(tracking_uri, make=False)
    run_id = store.find_run(run)
    given = {} if data_dir is None else {"data_dir": Given(data_dir, "--data-dir")}
    settings = resumed_settings(store, run_id, given).replace(device="cpu")
    weights, epoch = best_weights(store, run_id)
    for plugin in settings.plugins.plugin:
        load_plugin(plugin)
    assembly = assemble(settings, listener, resumes=True)
    load_weights(weights, assembly.torch_network, epoch=epoch)
    assembly.torch_network.eval()
    return Trained(assembly, run_id, store.client.get_run(run_id).info.run_name or run_id)


def read_images(assembly: Assembly, names: Sequence[str]) -> list[Shown]:
    """Reads images as the run's data set would: files, or `test:17`, counted from 0 in the test part.

    Raises:
        DataError: an image cannot be read, or the test part has not so many.
    """
    return [_read_image(assembly, name) for name in names]


def _read_image(assembly: Assembly, name: str) -> Shown:
    data, settings = assembly.dataset, assembly.settings.data
    numbered = OF_TEST_PART.fullmatch(name)
    if numbered:
        position = int(numbered[1])
        if position >= len(data.test):
            raise DataError(f"image {name!r}: the test part has images 0 to {len(data.test) - 1:,}.")
        pixels = data.test.read(torch.tensor([position]))[0]
        return Shown(name, pixels, int(data.test.labels[position]))
    spec = data.spec
    try:
        pixels_last = read_photo(
            Path(name).expanduser(), Frame(spec.height, spec.width, spec.channels, settings.fit)
        )
    except BadPhotoError as error:
        raise DataError(
            f"image {name!r} cannot be read: {error}; give an image file, or test:0 for the first test image."
        ) from error
    return Shown(Path(name).stem, torch.from_numpy(pixels_last.copy()).permute(2, 0, 1))


def class_number(assembly: Assembly, name: str | None) -> int | None:
    """Returns the label of a class.

    Raises:
        UnknownNameError: the run's data have no such class.
    """
    names = assembly.dataset.class_names
    if name is not None and name not in names:
        raise UnknownNameError("class", name, names)
    return None if name is None else names.index(name)


def draw_filters(assembly: Assembly) -> Figure | None:
    """Draws the first layer's filters; None where the first layer reads no pixels."""
    found = first_filters(assembly.torch_network, assembly.dataset.spec.shape)
    if found is None:
        return None
    shown, count = min(len(found.weights), figures.MOST_FILTERS), len(found.weights)
    hidden = ", of permuted pixels" if assembly.settings.data.permute_pixels else ""
    title = f"{assembly.title}: {shown} of {count} filters of layer {found.layer}{hidden}"
    return figures.filters(found.weights, title=title)


def draw_feature_maps(assembly: Assembly, image: Shown) -> Figure | None:
    """Draws the feature maps of one image in up to six convolutions; None where there is none."""
    layers = convolutions(assembly.torch_network)
    if not layers:
        return None
    chosen = sorted({round(at) for at in np.linspace(0, len(layers) - 1, MOST_LAYERS)})
    pixels = image.pixels[None]
    maps = feature_maps(
        assembly.torch_network, _preprocessed(assembly, pixels), [layers[at] for at in chosen]
    )
    most = f"the {figures.MAPS_A_ROW} of each layer that vary most"
    title = f"{assembly.title}: feature maps of {image.name}, {most}"
    of_image: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {
        name: values[0] for name, values in maps.items()
    }
    return figures.feature_maps(_seen(assembly, pixels)[0].numpy(), of_image, title=title)


def draw_attention(
    assembly: Assembly, images: Sequence[Shown], *, label: int | None = None, layer: str | None = None
) -> Figure | None:
    """Draws where the network looks; None where it has no convolution.

    Args:
        assembly: with the weights to look at.
        images: of one run's shape.
        label: the class to look for; None: of each image the predicted one.
        layer: whose maps are weighed; None: the last convolution.

    Raises:
        ModelError: no such layer, or it gives out no maps.
    """
    if not convolutions(assembly.torch_network) and layer is None:
        return None
    pixels = torch.stack([image.pixels for image in images])
    classes = None if label is None else torch.full((len(images),), label)
    was_training = assembly.torch_network.training
    found = grad_cam(assembly.torch_network.eval(), _preprocessed(assembly, pixels), classes, layer=layer)
    assembly.torch_network.train(was_training)
    names = assembly.dataset.class_names
    captions = [
        (
            image.name if image.label is None else f"{image.name}\nis {names[image.label]}",
            f"{names[number]}\n({100 * row[number]:.0f} %{'' if heat.any() else ', no heat'})",
        )
        for image, number, row, heat in zip(
            images, found.classes, found.probabilities, found.maps, strict=True
        )
    ]
    what = "the predicted class" if label is None else f"class {names[label]}"
    size = "×".join(str(side) for side in found.map_size)
    blind = ", too small to tell places apart" if found.map_size == (1, 1) else ""
    title = f"{assembly.title}: what speaks for {what} (Grad-CAM of {found.layer}, {size}{blind})"
    return figures.attention(_seen(assembly, pixels).numpy(), found.maps, captions, title=title)


def record_looks(run: Run, assembly: Assembly, listener: Listener) -> None:
    """Draws filters and where the network looks on some test images, into an open run."""
    positions = np.unique(
        np.linspace(0, len(assembly.dataset.test) - 1, NUM_OF_TEST_PART).round().astype(int)
    )
    images = read_images(assembly, [f"test:{position}" for position in positions])
    drawn = {"filters": draw_filters(assembly), "grad_cam": draw_attention(assembly, images)}
    for name, figure in drawn.items():
        if figure is not None:
            run.log_figure(figure, f"plots/{name}.png")
    if drawn["grad_cam"] is None:
        listener.note(NO_MAPS)


def _preprocessed(assembly: Assembly, pixels: Tensor) -> Tensor:
    normalized: Tensor = assembly.normalize(pixels.to(assembly.compute.device))
    return normalized.contiguous(memory_format=assembly.compute.memory_format)


def _seen(assembly: Assembly, pixels: Tensor) -> Tensor:
    """Returns uint8 images as the network sees them: with permuted pixels where it was trained on such."""
    normalize = assembly.normalize
    if not isinstance(normalize, nn.Sequential):
        return pixels
    seen: Tensor = normalize[:-1](pixels.to(assembly.compute.device))
    return seen.cpu()
