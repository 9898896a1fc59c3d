"""Models: a family per file, registered by name, built for an `ImageSpec`."""

from cnnexp.models.initialization import initialize
from cnnexp.models.inspect import check_batch_size
from cnnexp.models.layer_table import LayerTable, count_parameters, layer_table
from cnnexp.models.registry import (
    MODELS,
    build_model,
    can_take,
    check_arguments,
    outline_model,
    register_model,
)

__all__ = [
    "MODELS",
    "LayerTable",
    "build_model",
    "can_take",
    "check_arguments",
    "check_batch_size",
    "count_parameters",
    "initialize",
    "layer_table",
    "outline_model",
    "register_model",
]
