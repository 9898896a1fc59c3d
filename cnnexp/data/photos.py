"""Decodes photo files, all of them in parallel or some of them at a reading."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnnexp.data.dataset import BadImage
from cnnexp.data.photo import BadPhotoError, is_grey, read_photo
from cnnexp.data.reading import Block, Frame, Labels, Pixels
from cnnexp.errors import DataError
from cnnexp.progress import Progress, silent

BLOCK_BYTES = 32 << 20
BLOCK_IMAGES = 256


def common_channels(files: Sequence[Path]) -> int:
    """Returns 1 where every readable image is grey, else 3; one colour image ends the search."""
    answers = [answer for answer in _until_color(files) if answer is not None]
    return 1 if answers and all(answers) else 3


def _until_color(files: Sequence[Path]) -> Iterator[bool | None]:
    for file in files:
        answer = is_grey(file)
        yield answer
        if answer is False:
            return


@dataclass(frozen=True)
class Photos:
    """A `Decodable` over photo files."""

    frame: Frame
    labels: Labels
    class_names: tuple[str, ...]
    part_sizes: tuple[int, int, int]
    root: Path
    files: tuple[Path, ...]
    progress: Progress = silent

    def blocks(self) -> Iterator[Block]:
        """Decodes every file once; the decoder lets go of the interpreter, so threads do."""
        per_block = max(1, min(BLOCK_IMAGES, BLOCK_BYTES // self.frame.num_bytes))
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode") as pool:
            for start in range(0, len(self.files), per_block):
                files = self.files[start : start + per_block]
                results = list(pool.map(self._read, files))
                yield self._block(start, results)
                self.progress("reading images", start + len(files), len(self.files))

    def stream(self) -> PhotoSource:
        """Returns a source that decodes at every reading."""
        return PhotoSource(self.files, torch.from_numpy(self.labels), self.frame)

    def held(self) -> None:
        """Files are not in memory."""

    def _read(self, file: Path) -> Pixels | BadImage:
        try:
            return read_photo(file, self.frame)
        except BadPhotoError as error:
            return BadImage(file.relative_to(self.root).as_posix(), str(error))

    def _block(self, start: int, results: list[Pixels | BadImage]) -> Block:
        images = np.zeros((len(results), self.frame.height, self.frame.width, self.frame.channels), np.uint8)
        bad = []
        for position, result in enumerate(results):
            if isinstance(result, BadImage):
                bad.append((start + position, result))
            else:
                images[position] = result
        return Block(start, images, tuple(bad))


@dataclass(frozen=True, slots=True)
class PhotoSource:
    """An `ImageSource` over files: decodes at every reading, in the process that reads."""

    files: tuple[Path, ...]
    labels: Tensor
    frame: Frame
    resident: bool = False

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: Tensor) -> Tensor:
        """Returns uint8 images (B, C, H, W) for int64 indices (B,).

        Raises:
            DataError: a file that was sound when the set was loaded cannot be read any more.
        """
        batch = np.empty((len(indices), self.frame.height, self.frame.width, self.frame.channels), np.uint8)
        for position, index in enumerate(indices.tolist()):
            try:
                batch[position] = read_photo(self.files[index], self.frame)
            except BadPhotoError as error:
                raise DataError(
                    f"{self.files[index]} could be read before and cannot now: {error}."
                ) from error
        return torch.from_numpy(batch).permute(0, 3, 1, 2)
