"""Charts of a page: drawn as SVG that takes the page's ink and ground, or as they were recorded."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from cnnexp.errors import TrackingError
from cnnexp.results.recorded import Recorded
from cnnexp.results.report.elements import Figure
from cnnexp.results.report.thumbnails import uri_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

Epochs = Sequence[Mapping[str, float]]
MOST_OVERLAID = 12  # curves that one chart can tell apart
# Text stays text: it can be read aloud and found, and the file is a tenth of one with outlines of letters.
_AS_TEXT: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "cnnexp"}
_NO_NOTE = {"Date": None, "Creator": None, "Format": None, "Type": None}


def learning_curves(epochs: Epochs, *, best_epoch: int, monitor: str) -> Figure:
    """Draws loss and accuracy of a run by epoch, train and validation."""
    from cnnexp import figures  # matplotlib is half a second

    drawn = figures.learning_curves(epochs, best_epoch=best_epoch, monitor=monitor, title="")
    last = epochs[-1]
    alt = (
        f"Loss and accuracy over {len(epochs)} epochs; the last has training loss {last['train_loss']:.4f} "
        f"and accuracy {100 * last['train_accuracy']:.2f} %, validation loss {last['val_loss']:.4f} and "
        f"accuracy {100 * last['val_accuracy']:.2f} %."
    )
    return Figure("learning_curves", alt, _svg(drawn, "curves"))


def overlaid_curves(arms: Mapping[str, Sequence[Epochs]], *, about: str, name: str) -> Figure | None:
    """Draws validation loss and accuracy of several arms; None where none has finished an epoch.

    Args:
        arms: name to the epochs of its runs, in the order of their importance; the first twelve are drawn.
        about: what lines and bands are.
        name: of the figure, its own on a page.
    """
    from cnnexp.figures.sweep import curves_by_value

    lines = {}
    for label, runs in list(arms.items())[:MOST_OVERLAID]:
        begun = [epochs for epochs in runs if epochs]
        shortest = min(map(len, begun), default=0)  # runs that ended early end the mean of their arm
        if shortest:
            loss, accuracy = (
                np.array([[row[part] for row in epochs[:shortest]] for epochs in begun])
                for part in ("val_loss", "val_accuracy")
            )
            lines[label] = (loss, accuracy)
    if not lines:
        return None
    alt = f"Validation loss and accuracy by epoch of {', '.join(lines)}."
    return Figure(name, alt, _svg(curves_by_value(lines, about=about, title=""), name))


def spread_curves(seeds: Sequence[Epochs]) -> Figure | None:
    """Draws loss and accuracy of several seeds: their mean with a band of one sd, and each."""
    from cnnexp.figures.seeds import seed_curves

    seeds = [one for one in seeds if one]
    if not seeds:
        return None
    curves = {
        f"{part}/{name}": [np.array([row[f"{part}_{name}"] for row in one]) for one in seeds]
        for part in ("train", "val")
        for name in ("loss", "accuracy")
    }
    alt = (
        f"Loss and accuracy by epoch of {len(seeds)} seeds: their mean with a band of one standard deviation."
    )
    return Figure("spread_curves", alt, _svg(seed_curves(curves, title=""), "spread"))


def recorded_figure(recorded: Recorded, path: str, *, alt: str) -> Figure | None:
    """Returns a figure that a run recorded (PNG); None where it has none of that name."""
    with suppress(TrackingError):
        content = recorded.file(path).read_bytes()
        return Figure(path.rsplit("/", 1)[-1].removesuffix(".png"), alt, uri=uri_of(content, "png"))
    return None


def _svg(drawn: Drawn, name: str) -> Markup:
    """Returns a figure as an element whose dark lines and texts have the colour of the page's text.

    Args:
        drawn: by `cnnexp.figures`.
        name: goes before its ids, for several drawings share a page.
    """
    from matplotlib import style

    from cnnexp.figures.style import INK

    content = io.StringIO()
    with style.context(_AS_TEXT):
        drawn.savefig(content, format="svg", transparent=True, metadata=_NO_NOTE)
    text = content.getvalue()
    text = text[text.index("<svg") :].replace(INK.lower(), "currentColor").replace(INK, "currentColor")
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" ', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*" ', r"<svg \1", text, count=1)
    return Markup(text)
