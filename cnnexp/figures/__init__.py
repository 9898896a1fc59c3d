"""Pictures from plain arrays: matplotlib figures in one style. Nothing here knows of torch or MLflow.

Importing this package imports matplotlib (half a second): do it where a figure is drawn.
"""

from cnnexp.figures.confusion import confusion_matrix
from cnnexp.figures.curves import learning_curves
from cnnexp.figures.images import mistakes, sample_batch
from cnnexp.figures.looks import MAPS_A_ROW, MOST_FILTERS, attention, feature_maps, filters
from cnnexp.figures.network import network_graph
from cnnexp.figures.per_class import per_class
from cnnexp.figures.reliability import reliability_diagram

__all__ = [
    "MAPS_A_ROW",
    "MOST_FILTERS",
    "attention",
    "confusion_matrix",
    "feature_maps",
    "filters",
    "learning_curves",
    "mistakes",
    "network_graph",
    "per_class",
    "reliability_diagram",
    "sample_batch",
]
