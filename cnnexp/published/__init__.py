"""Published experiments, and a user's own of the same form: run, and set beside what was published."""

from __future__ import annotations

from pathlib import Path

from cnnexp.errors import UnknownNameError

_SUFFIXES = (".yaml", ".yml")


def shipped() -> dict[str, Path]:
    """Returns the experiment files that come with the package, by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def find_experiment(text: str) -> Path:
    """Returns the file of an experiment.

    Args:
        text: the name of a shipped one, or a path that ends with .yaml.

    Raises:
        UnknownNameError: no shipped experiment has that name.
    """
    if text.endswith(_SUFFIXES):
        return Path(text)
    known = shipped()
    if text.lower() not in known:
        raise UnknownNameError(
            "experiment", text, known, way_out="A file of your own: cnnexp experiment FILE.yaml."
        )
    return known[text.lower()]
