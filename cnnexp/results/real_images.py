"""Images to try a classifier with, and what they are: own ones, some of the run's test part, or made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cnnexp.data.load import DEFAULT_DATA_DIR, load_dataset
from cnnexp.data.photo import BadPhotoError, read_photo
from cnnexp.data.reading import Frame, Pixels
from cnnexp.data.registry import DATASETS
from cnnexp.errors import DataError, UserError
from cnnexp.results.predict import find_images
from cnnexp.results.recorded import Recorded
from cnnexp.settings.groups import DataSettings

MOST = 100
SEED = 0  # of made-up images


def images_of_folder(folder: str, frame: Frame) -> tuple[Pixels, str]:
    """Returns up to 100 images of a folder, uint8 (N, C, H, W), and what they are.

    Raises:
        DataError: it has none that can be read.
    """
    pixels = []
    for file in find_images([folder])[:MOST]:
        try:
            pixels.append(read_photo(file, frame))
        except BadPhotoError:  # `cnnexp predict` names them; here any others do
            continue
    if not pixels:
        raise DataError(f"no image of {folder} can be read; `cnnexp predict` says of each why.")
    return np.ascontiguousarray(np.stack(pixels).transpose(0, 3, 1, 2)), f"{len(pixels)} images of {folder}"


def images_of_run(recorded: Recorded) -> tuple[Pixels, str]:
    """Returns up to 100 images, uint8 (N, C, H, W), and what they are.

    They are the first of the run's test part where its data set is on this machine (nothing is downloaded),
    else random pixels.
    """
    settings = recorded.settings.data
    try:
        _check_is_here(settings)
        test = load_dataset(settings).test
        pixels = test.read(torch.arange(min(MOST, len(test)))).contiguous().numpy()
    except UserError as error:
        shape = (MOST, *recorded.data.image)
        made_up = np.random.default_rng(SEED).integers(0, 256, shape, dtype=np.uint8)
        return made_up, f"{MOST} images of random pixels, for the run's own cannot be loaded ({error})"
    return pixels, f"{len(pixels)} images of the run's test part"


def _check_is_here(settings: DataSettings) -> None:
    name, _, path = settings.dataset.partition(":")
    data_dir = Path(settings.data_dir or DEFAULT_DATA_DIR).expanduser()
    if not path and DATASETS.get(name).locate(data_dir) is None:
        raise DataError(f"data set {name} is not on this machine")
