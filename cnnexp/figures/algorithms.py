"""What algorithms of convolution cost against the library's own: a row of dots per shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from cnnexp.figures.style import GREY, INK, SMALL, new_figure, styled
from cnnexp.figures.sweep import SERIES

_MARKERS = "osD^v<>P"


@styled
def algorithm_costs(
    ratios: Mapping[str, Mapping[str, Sequence[float | None]]], shapes: Sequence[str], *, title: str
) -> Figure:
    """Draws how many times as long as the library's each algorithm takes, on a logarithmic axis.

    Args:
        ratios: pass to algorithm to a ratio per shape; None where it cannot compute the shape.
        shapes: names, from top to bottom.
        title: says the finding.
    """
    figure = new_figure(title, height=1.6 + 0.42 * len(shapes) * len(ratios))
    panels = figure.subplots(len(ratios), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (pass_name, found) in zip(panels, ratios.items(), strict=True):
        for number, (name, values) in enumerate(found.items()):
            known = [(value, row) for row, value in enumerate(values) if value is not None]
            axes.scatter(
                [value for value, _ in known],
                [row for _, row in known],
                s=46,
                marker=_MARKERS[number % len(_MARKERS)],
                color=SERIES[number % len(SERIES)],
                label=name,
                zorder=3,
            )
        axes.axvline(1, color=INK, linewidth=1)
        axes.set(xscale="log", yticks=range(len(shapes)), ylim=(len(shapes) - 0.5, -0.5))
        axes.set_yticklabels(shapes, fontsize=SMALL)
        axes.set_title(pass_name, fontsize=SMALL, loc="left")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
        axes.grid(axis="both", color=GREY, alpha=0.3)
    panels[-1].set_xlabel("Time relative to torch's own convolution")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=SMALL)
    return figure
