"""Images to try a classifier with, and what they are: own ones, or some of the run's validation part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cnnexp.data.load import DEFAULT_DATA_DIR
from cnnexp.data.photo import BadPhotoError, read_photo
from cnnexp.data.reading import Frame, Pixels
from cnnexp.data.registry import DATASETS
from cnnexp.errors import DataError, UserError
from cnnexp.progress import silent
from cnnexp.results.predict import find_images
from cnnexp.results.recorded import Recorded
from cnnexp.results.subject import load_own
from cnnexp.settings.groups import DataSettings

MOST = 100


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
    """Returns up to 100 images of the run's validation part, uint8 (N, C, H, W), and what they are.

    Nothing is downloaded, and the test part is left alone: a check needs images, and no labels.

    Raises:
        DataError: the data set is not on this machine, or has changed.
    """
    try:
        _check_is_here(recorded.settings.data)
        val = load_own(recorded, None, silent).val
    except UserError as error:
        raise DataError(
            "give --images DIR, a folder of images to check the file with: those of the run's own data set "
            f"cannot be had. {error}"
        ) from error
    pixels = val.read(torch.arange(min(MOST, len(val)))).contiguous().numpy()
    return pixels, f"{len(pixels)} images of the run's validation part"


def _check_is_here(settings: DataSettings) -> None:
    name, _, path = settings.dataset.partition(":")
    data_dir = Path(settings.data_dir or DEFAULT_DATA_DIR).expanduser()
    if not path and DATASETS.get(name).locate(data_dir) is None:
        raise DataError(f"data set {name} is not on this machine.")
