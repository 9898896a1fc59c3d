"""The images of a run, loaded anew from its settings: only to show them; nothing is evaluated."""

from __future__ import annotations

from collections.abc import Callable
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


def load_images(recorded: Recorded, *, data_dir: str | None, progress: Progress) -> RunImages:
    """Loads the data set of a run.

    Args:
        recorded: the run.
        data_dir: the folder where the data lie now; None: where the run found them.
        progress: called while images are decoded.

    Raises:
        NoImagesError: the set is gone, cannot be read, or is not the one of the run any more.
    """
    try:
        settings, before = recorded.settings, recorded.data.digest
        for plugin in settings.plugins.plugin:
            load_plugin(plugin)
        data = settings.data if data_dir is None else settings.data.model_copy(update={"data_dir": data_dir})
        dataset = load_dataset(data, progress=progress)
        found = find_dataset(data)
    except UserError as error:
        raise NoImagesError(f"the data set cannot be loaded now: {error}") from error
    if dataset.digest != before:
        raise NoImagesError(
            f"the data set {dataset.name} has changed since the run (digest {before} then, {dataset.digest} "
            "now), so its images are not those of the run."
        )
    return RunImages(dataset, found.row_name)
