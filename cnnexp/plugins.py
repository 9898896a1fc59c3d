"""Loads a user's own models and data sets: a Python file or a module name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from cnnexp.errors import UserError


def load_plugin(plugin: str) -> None:
    """Imports a plug-in once, so that its decorators register what it defines.

    Args:
        plugin: path of a `.py` file, or the name of an importable module.

    Raises:
        UserError: the file is missing, or the plug-in fails to import (the sentence says where and why).
    """
    path = Path(plugin).expanduser()
    is_file = plugin.endswith(".py")
    if is_file and not path.is_file():
        raise UserError(
            f"plug-in {plugin!r} is not a file; give --plugin the path of a .py file or a module name."
        )
    try:
        if is_file:
            _import_file(path.resolve())
        else:
            _import_module(plugin)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"plug-in {plugin!r} fails to import: {type(error).__name__}: {error}{_line_in(error, path)}. "
            "Mend it, then run the command again."
        ) from error


def _import_file(path: Path) -> None:
    name = f"cnnexp_plugin_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _import_module(name: str) -> None:
    here = str(Path.cwd())
    if here not in sys.path:  # `python -m` finds modules of the working folder; so does --plugin
        sys.path.insert(0, here)
    importlib.import_module(name)


def _line_in(error: BaseException, path: Path) -> str:
    """Returns ` (line 12)` where the traceback passes through the plug-in's own file."""
    if isinstance(error, SyntaxError) and error.lineno:
        return ""  # its own text says file and line
    trace, line = error.__traceback__, None
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == path.name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""
