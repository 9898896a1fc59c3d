"""What a source of images hands to the loader, and how the loader wants images read.

Pixels travel as uint8 (N, H, W, C) here: the layout of photo decoders and of channels-last networks.
This module imports neither torch nor a decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cnnexp.data.dataset import BadImage, ImageSource

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Fit = Literal["stretch", "crop", "pad"]
ClassCheck = Callable[[tuple[str, ...]], object]  # raises where a set of these classes cannot be used


@dataclass(frozen=True, slots=True)
class Reading:
    """The options that decide pixels; they are part of the cache's key."""

    image_size: tuple[int, int] | None = None  # (height, width); None: the data set's own
    fit: Fit = "stretch"
    color: Literal["auto", "grey", "rgb"] = "auto"

    def frame(self, own_size: tuple[int, int], own_channels: int) -> Frame:
        """Returns the shape every image gets, from the options and the set's own shape."""
        height, width = self.image_size or own_size
        channels = {"auto": own_channels, "grey": 1, "rgb": 3}[self.color]
        return Frame(height, width, channels, self.fit)


@dataclass(frozen=True, slots=True)
class Frame:
    """The shape every image of a set gets, and how it is fitted into it."""

    height: int
    width: int
    channels: int
    fit: Fit = "stretch"

    @property
    def num_bytes(self) -> int:
        """Bytes of one image."""
        return self.height * self.width * self.channels


@dataclass(frozen=True, slots=True)
class Block:
    """Some images in a row: uint8 (n, H, W, C) from row `start` on; rows of bad images hold zeros."""

    start: int
    images: Pixels
    bad: tuple[tuple[int, BadImage], ...] = ()


def any_classes(class_names: tuple[str, ...]) -> None:
    """The check that refuses nothing."""


class Decodable(Protocol):
    """A set whose images can be decoded; rows are in the order train, val, test."""

    @property
    def frame(self) -> Frame:
        """The shape images get."""
        ...

    @property
    def labels(self) -> Labels:
        """int64 (N,)."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """By label."""
        ...

    @property
    def part_sizes(self) -> tuple[int, int, int]:
        """Of train, val, test; 0 where the set has no such part."""
        ...

    def blocks(self) -> Iterator[Block]:
        """Decodes every image once, in order of rows."""
        ...

    def stream(self) -> ImageSource:
        """Returns a source that decodes at every reading."""
        ...

    def held(self) -> ImageSource | None:
        """Returns the images where they lie in memory, decoded; None where they do not."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A data set that was found (or computed), not yet decoded.

    Attributes:
        location: where, for people.
        open: reads labels and shapes; may be slow, may import a decoder.
        identity: names the kind of set; with `files`, it decides the content.
        root: folder that file names are relative to.
        files: everything the content depends on, in a fixed order.
        names: of the images by row, where files are images.
        cacheable: False for a user's function, whose content is not known before it is called.
    """

    location: str
    open: Callable[[Reading], Decodable]
    identity: str = ""
    root: Path = Path()
    files: tuple[Path, ...] = ()
    names: Sequence[str] = ()
    cacheable: bool = True

    def row_name(self, row: int) -> str:
        """Returns the file of a row, or its number."""
        return self.names[row] if self.names else f"image {row}"
