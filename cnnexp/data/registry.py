"""Registered data sets: the package's own, and a user's functions.

Importing this module is cheap: no torch, no decoder.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cnnexp.data.arrays import ImageArrays
from cnnexp.data.reading import Decodable, Found, Reading
from cnnexp.errors import DataError
from cnnexp.progress import Progress, silent
from cnnexp.registry import Registry

ArrayMaker = TypeVar("ArrayMaker", bound=Callable[[Path], ImageArrays])

__all__ = ["DATASETS", "DatasetEntry", "ImageArrays", "Lookup", "register_dataset"]


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where a data set is looked for, and what followed the colon of `folder:PATH`.

    A photo folder with fewer than `fewest_classes` is refused: one class can be inspected, not learned.
    """

    data_dir: Path
    argument: str = ""
    progress: Progress = silent
    fewest_classes: int = 2


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """A registered data set; all but `find` is for `cnnexp datasets`.

    Attributes:
        name: as the user gives it.
        find: finds the files (downloads them where needed); decodes nothing.
        summary: one line.
        image_size: (height, width) unless --image-size says otherwise; None where not known beforehand.
        channels: 1 or 3; None where not known beforehand.
        num_classes: None where not known beforehand.
        num_images: for people, such as "60,000 + 10,000 test".
        locate: says where the set lies on this machine, given the data directory; None where it does not.
        how_to_get: the way to a set that is not there.
        takes_path: the name is followed by `:PATH`.
    """

    name: str
    find: Callable[[Lookup], Found]
    summary: str = ""
    image_size: tuple[int, int] | None = None
    channels: int | None = None
    num_classes: int | None = None
    num_images: str = ""
    locate: Callable[[Path], str | None] = lambda _: "registered here"
    how_to_get: str = ""
    takes_path: bool = False


def _load_builtin() -> None:
    for module in ("digits", "idx", "cifar10", "folder"):
        importlib.import_module(f"cnnexp.data.{module}")


DATASETS: Registry[DatasetEntry] = Registry(
    "dataset",
    entry_point_group="cnnexp.datasets",
    load_builtin=_load_builtin,
    way_out="Your own photos: --dataset folder:PATH; arrays: --plugin FILE.",
)


def register_dataset(
    name: str,
    *,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    num_classes: int | None = None,
    summary: str = "",
) -> Callable[[ArrayMaker], ArrayMaker]:
    """Registers a function `(data_dir: Path) -> ImageArrays` as a data set.

    Args:
        name: what `--dataset` takes.
        image_size: (height, width), shown by `cnnexp datasets`; the arrays decide.
        channels: likewise.
        num_classes: likewise.
        summary: likewise; else the first line of the function's docstring.

    Raises:
        UserError: the name is taken.
    """

    def register(make: ArrayMaker) -> ArrayMaker:
        text = summary or (inspect.getdoc(make) or "").split("\n", 1)[0]
        DATASETS.add(name, DatasetEntry(name, _finder(name, make), text, image_size, channels, num_classes))
        return make

    return register


def _finder(name: str, make: Callable[[Path], ImageArrays]) -> Callable[[Lookup], Found]:
    def find(lookup: Lookup) -> Found:
        def decodable(reading: Reading) -> Decodable:
            arrays = make(lookup.data_dir)
            if not isinstance(arrays, ImageArrays):
                raise DataError(
                    f"the function of dataset {name!r} must return ImageArrays, not {type(arrays).__name__}."
                )
            return arrays.decodable(reading)

        place = f"function {getattr(make, '__module__', '')}.{getattr(make, '__qualname__', repr(make))}"
        return Found(place, decodable, cacheable=False)

    return find
