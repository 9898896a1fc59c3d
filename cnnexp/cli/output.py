"""Files that a command is asked to write: whether it may and can is said before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_writable(path: str, *, suffixes: Sequence[str], option: str, force: bool) -> None:
    """Refuses a file that cannot or must not be written.

    Raises:
        UserError: another kind of file, no such folder, no right to write, or it is there and `force` is not.
    """
    file = Path(path)
    if file.suffix.lower() not in suffixes:
        raise UserError(f"{option} {path} must end with {' or '.join(suffixes)}.")
    if file.is_dir():
        raise UserError(f"{option} {path} is a folder; give the name of a file.")
    if file.exists() and not force:
        raise UserError(f"{option} {path} exists; give --force to overwrite it, or another name.")
    if not file.parent.is_dir():
        raise UserError(
            f"{option} {path}: the folder {file.parent} does not exist; make it, or name another."
        )
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UserError(f"{option} {path} cannot be written: no permission; name another place.")


def make_folder(path: str, *, option: str) -> Path:
    """Returns a folder to write to; made where it is missing.

    Raises:
        UserError: it cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{option} {path} cannot be made a folder: {error.strerror}; name another place."
        ) from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"{option} {path} cannot be written to: no permission; name another place.")
    return folder


def save_figure(figure: Figure, path: Path, *, option: str) -> Path:
    """Writes a figure in the format its name says, and returns the path.

    Raises:
        UserError: it cannot be written.
    """
    try:
        figure.savefig(path)
    except OSError as error:
        raise UserError(
            f"{option} {path} cannot be written: {error.strerror}; name another place."
        ) from error
    return path
