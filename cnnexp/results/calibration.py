"""Whether probabilities mean what they say: reliability, expected calibration error, temperature scaling.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017 (arXiv:1706.04599).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NUM_BINS = 15  # of equal width, as Guo et al. have them
_LARGEST = 100.0  # temperature, and one over the smallest

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against accuracy, in bins of equal width over [0, 1].

    Attributes:
        edges: float64 (B + 1,).
        counts: int64 (B,): images whose largest probability lies in the bin, its upper edge included.
        confidence: float64 (B,): mean of that probability; nan where the bin is empty.
        accuracy: float64 (B,): share of images that are right; nan where the bin is empty.
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: mean of |accuracy - confidence| over images (equation 3)."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(gaps * self.counts) / self.counts.sum())


def reliability(probabilities: Floats, labels: npt.NDArray[np.int64], bins: int = NUM_BINS) -> Reliability:
    """Bins the predicted class's probability, and tells how often it was right.

    Ours rather than scikit-learn's `calibration_curve`, which returns no counts (the error needs them) and
    costs 2.7 s to import; a test holds the two equal.

    Args:
        probabilities: float (N, K), rows sum to 1.
        labels: int64 (N,).
        bins: how many.
    """
    top = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    of_image = np.searchsorted(edges[1:-1], top)
    counts = np.bincount(of_image, minlength=bins)
    share = np.where(counts > 0, counts, np.nan)
    return Reliability(
        edges=edges,
        counts=counts,
        confidence=np.bincount(of_image, top, minlength=bins) / share,
        accuracy=np.bincount(of_image, right, minlength=bins) / share,
    )


@dataclass(frozen=True, slots=True)
class Temperature:
    """What logits are divided by.

    Attributes:
        value: above 1 where the network is too sure of itself.
        is_bound: there is no finite answer, and this is the end of the range: every image is right (the
            surer, the likelier), or the labels are no likelier than chance (the less sure, the likelier).
    """

    value: float
    is_bound: bool


def fit_temperature(logits: Floats, labels: npt.NDArray[np.int64]) -> Temperature:
    """Returns the temperature under which the labels are likeliest (section 4.2, "temperature scaling").

    The negative log likelihood is convex in 1 / temperature, so the one minimum is found whatever the start.

    Args:
        logits: float (N, K), of images that the network has not learned from.
        labels: int64 (N,).
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / np.exp(log_temperature), labels)

    of_label = logits[np.arange(len(labels)), labels]
    if (of_label == logits.max(axis=1)).all():
        return Temperature(1 / _LARGEST, is_bound=True)
    if of_label.mean() <= logits.mean():  # the likelihood falls from the start, and it is concave
        return Temperature(_LARGEST, is_bound=True)
    end = np.log(_LARGEST)
    found = minimize_scalar(loss, bounds=(-end, end), method="bounded", options={"xatol": 1e-6})
    return Temperature(float(np.exp(found.x)), is_bound=False)


def cross_entropy(logits: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Returns the mean negative log likelihood of labels (N,) under logits (N, K), in nats."""
    from scipy.special import log_softmax

    chosen = log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels]
    return float(-chosen.mean())


def probabilities_of(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Returns the probabilities (N, K) of logits (N, K) under a temperature; the order of classes stays."""
    from scipy.special import softmax

    found: npt.NDArray[np.float64] = softmax(logits.astype(np.float64) / temperature, axis=1)
    return found
