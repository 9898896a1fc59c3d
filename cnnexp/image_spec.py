"""The one thing a model needs to know of its data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """Shape of a data set's images, and how many classes they fall into.

    Attributes:
        channels: 1 (grey) or 3 (colour).
        height: pixels.
        width: pixels.
        num_classes: at least 2.
    """

    channels: int
    height: int
    width: int
    num_classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (self.channels, self.height, self.width)

    def __str__(self) -> str:
        return f"{self.channels}×{self.height}×{self.width}"
