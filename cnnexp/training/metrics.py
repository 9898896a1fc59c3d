"""What a confusion matrix says: accuracy with its interval, and precision, recall, F1 per class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

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
    """Returns the 95 % Wilson interval of an accuracy (E. Wilson, JASA 22, 1927).

    Written out, for importing `scipy.stats` costs every run more than a second; a test holds the two equal.
    """
    z2 = NormalDist().inv_cdf(0.975) ** 2 / num_images
    share = num_correct / num_images
    middle = share + z2 / 2
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4))
    return max(0.0, (middle - half) / (1 + z2)), min(1.0, (middle + half) / (1 + z2))
