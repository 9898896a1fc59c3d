"""Files and functions stay small enough to be read at one sitting (docs/architecture.md, "The hand")."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "cnnexp").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])
LONGEST_FILE, LONGEST_FUNCTION = 350, 40


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and length of functions over the wall; a docstring does not count."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            has_docstring = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
            length = (node.end_lineno or 0) - node.lineno + 1 - docstring
            if length > LONGEST_FUNCTION:
                yield node.name, length


def test_no_file_is_over_350_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert FILES
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}


def test_no_function_is_over_40_lines() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}": length
        for path in FILES
        for name, length in long_functions(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_the_wall_counts_lines_without_the_docstring() -> None:
    docstring = '    """One.\n\n    Two.\n    """\n'
    at_the_wall = "def f():\n" + docstring + "    pass\n" * 39
    assert not list(long_functions(at_the_wall))
    assert list(long_functions(at_the_wall + "    pass\n")) == [("f", 41)]
