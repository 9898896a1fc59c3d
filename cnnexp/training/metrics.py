"""What a confusion matrix says: accuracy with its interval, and precision, recall, F1 per class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ClassReport:
    """Per class, float64 (K,); a class that is never predicted has precision 0, as in scikit-learn."""

    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]
    support: npt.NDArray[np.int64]


def confusion_matrix(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], num_classes: int
) -> npt.NDArray[np.int64]:
    """Returns counts, int64 (K, K): a row is a true class, a column a predicted one."""
    pairs = labels * num_classes + predicted
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_report(matrix: npt.NDArray[np.int64]) -> ClassReport:
    """Returns the per-class figures of a confusion matrix (K, K).

    Ours rather than scikit-learn's because importing that costs 2.7 s and the matrix is there already; a test
    holds the two equal.
    """
    hits, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return ClassReport(
        precision=hits / np.maximum(predicted, 1),
        recall=hits / np.maximum(support, 1),
        f1=2 * hits / np.maximum(support + predicted, 1),
        support=support,
    )


def accuracy_interval(num_correct: int, num_images: int) -> tuple[float, float]:
    """Returns the 95 % Wilson interval of an accuracy (E. Wilson, JASA 22, 1927)."""
    from scipy.stats import binomtest  # imported where needed: it takes most of a second

    interval = binomtest(num_correct, num_images).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
