"""The images of a run, loaded anew from its settings: only to show them; nothing is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnexp.data import load_dataset
from cnnexp.data.dataset import ImageDataset
from cnnexp.data.load import find_dataset
from cnnexp.errors import UserError
from cnnexp.plugins import load_plugin
from cnnexp.progress import Progress
from cnnexp.results.recorded import Recorded


class NoImagesError(Exception):
    """The images cannot be shown; the message says why, as a sentence."""


@dataclass(frozen=True, slots=True)
class RunImages:
    """The data set of a run, the very one it was trained on.

    Attributes:
        dataset: as loaded now; its digest is the recorded one.
        name_of: the file of a row of the whole set, or its number.
    """

    dataset: ImageDataset
    name_of: Callable[[int], str]

    def read(self, rows: list[int]) -> Tensor:
        """Returns uint8 images (B, C, H, W) by their rows in the whole set."""
        return self.dataset.test.source.read(torch.tensor(rows, dtype=torch.int64))


def load_images(recorded: Recorded, *, moved: Mapping[str, str], progress: Progress) -> RunImages:
    """Loads the data set of a run.

    Args:
        recorded: the run.
        moved: settings of the data that say where they lie now: `data_dir`, `dataset`.
        progress: called while images are decoded.

    Raises:
        NoImagesError: the set is gone, cannot be read, or is not the one of the run any more.
    """
    try:
        settings, before = recorded.settings, recorded.data.digest
        for plugin in settings.plugins.plugin:
            load_plugin(plugin)
        data = settings.data.model_copy(update=dict(moved))
        dataset = load_dataset(data, progress=progress)
        found = find_dataset(data)
    except UserError as error:
        raise NoImagesError(f"the data set cannot be loaded now: {error}") from error
    if dataset.digest != before:
        raise NoImagesError(
            f"the data set {dataset.name} is not the one of the run, or has changed since (digest {before} "
            f"then, {dataset.digest} now)."
        )
    return RunImages(dataset, found.row_name)
