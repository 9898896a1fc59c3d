"""The demonstration as a page: one file that works offline, stepped through with buttons or keys."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.convolution.sliding import Matrix, Sliding

TEMPLATE = "conv_page.html"  # beside this module
PLACE = "/*SLIDING*/null"  # where the numbers go; without them the template is a page that shows nothing


def page_of(sliding: Sliding) -> str:
    """Returns the page, HTML with its style, script and numbers inside."""
    from cnnexp.convolution.sliding import written

    def words(matrix: Matrix) -> list[list[str]]:
        return [[written(number) for number in row] for row in matrix]

    data = {
        "padded": words(sliding.padded),
        "kernel": words(sliding.applied),
        "output": words(sliding.output),
        "padding": sliding.padding,
        "stride": sliding.stride,
        "flipped": sliding.is_flipped,
        "steps": [
            {
                "row": step.row,
                "column": step.column,
                "top": step.top,
                "left": step.left,
                "products": words(step.products),
                "total": written(step.total),
            }
            for step in sliding.steps
        ],
    }
    template = files("cnnexp.cli").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return template.replace(PLACE, json.dumps(data, separators=(",", ":")))
