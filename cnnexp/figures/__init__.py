"""Pictures from plain arrays: matplotlib figures in one style. Nothing here knows of torch or MLflow.

Importing this package imports matplotlib (half a second): do it where a figure is drawn.
"""

from cnnexp.figures.confusion import confusion_matrix
from cnnexp.figures.curves import learning_curves
from cnnexp.figures.images import mistakes, sample_batch
from cnnexp.figures.per_class import per_class

__all__ = ["confusion_matrix", "learning_curves", "mistakes", "per_class", "sample_batch"]
