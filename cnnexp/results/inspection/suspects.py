"""Labels that a classifier contradicts which has not seen them: candidates for a look, not verdicts.

Confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", JAIR 70, 2021, arXiv:1911.00068): probabilities come from cross-validation; a class's threshold is
the mean probability that its own images are given; an image counts as of the most probable class over its
threshold, and where that is another one than its label, the label is suspected.

The classifier is a small one that takes seconds: logistic regression on kernel features (Nyström's
approximation of a Gaussian kernel) of the principal components of what images look like.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.data.reading import Labels
from cnnexp.progress import Progress, silent

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FOLDS = 5
COMPONENTS, LANDMARKS = 80, 500
MOST_TO_LEARN_FROM = 20_000  # images a fold: more make it slower and hardly better
TASK = "judging labels"

Descriptor = NDArray[np.float32]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Suspects:
    """Images whose label is contradicted, the most contradicted first.

    Attributes:
        rows: int64 (M,).
        says: int64 (M,), the class that the classifier says.
        probability: float64 (M,), of that class.
        own_probability: float64 (M,), of the label.
        accuracy: cross-validated, of all judged images by their labels as they are.
        judged: how many images were.
        too_small: labels of classes with fewer images than folds; their images were not judged.
    """

    rows: Labels
    says: Labels
    probability: Probabilities
    own_probability: Probabilities
    accuracy: float
    judged: int
    too_small: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)


def suspected_labels(
    descriptors: Sequence[Descriptor],
    labels: Labels,
    rows: Labels,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Suspects | None:
    """Finds the labels that cross-validation contradicts.

    Args:
        descriptors: float32 (N, ...) each: what images look like, in one or more ways that count alike.
        labels: int64 (N,).
        rows: int64 (M,), of the N those that are judged.
        seed: of folds and classifiers.
        progress: called after each fold.

    Returns:
        None where fewer than two classes have as many images as there are folds.
    """
    sizes = np.bincount(labels[rows])
    large = np.flatnonzero(sizes >= FOLDS)
    if len(large) < 2:  # noqa: PLR2004 - nothing to take an image for
        return None
    rows = rows[np.isin(labels[rows], large)]
    given = np.searchsorted(large, labels[rows])
    features = [_components(one[rows].reshape(len(rows), -1), seed) for one in descriptors]
    scaled = np.concatenate(features, axis=1) / np.sqrt(len(features))
    found = _out_of_fold(scaled, given, seed=seed, progress=progress)
    likeliest = found.argmax(axis=1)
    position, says = contradicted(found, given)
    return Suspects(
        rows=rows[position],
        says=large[says],
        probability=found[position, says],
        own_probability=found[position, given[position]],
        accuracy=float((likeliest == given).mean()),
        judged=len(rows),
        too_small=tuple(np.flatnonzero((sizes > 0) & (sizes < FOLDS)).tolist()),
    )


def contradicted(probabilities: Probabilities, labels: Labels) -> tuple[Labels, Labels]:
    """Returns positions of suspected labels, the widest margin first, and the class each is taken for.

    Args:
        probabilities: float64 (N, K), of images that were not learned from.
        labels: int64 (N,), every class at least once.
    """
    num_classes = probabilities.shape[1]
    thresholds = np.array([probabilities[labels == one, one].mean() for one in range(num_classes)])
    over = np.where(probabilities >= thresholds, probabilities, -1.0)
    says = over.argmax(axis=1)
    every = np.arange(len(labels))
    suspected = np.flatnonzero((says != labels) & (over[every, says] >= 0))
    margin = probabilities[suspected, says[suspected]] - probabilities[suspected, labels[suspected]]
    order = suspected[np.argsort(-margin, kind="stable")]
    return order, says[order]


def _out_of_fold(features: NDArray[Any], labels: Labels, *, seed: int, progress: Progress) -> Probabilities:
    from sklearn.model_selection import StratifiedKFold

    found = np.empty((len(labels), labels.max() + 1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    generator = np.random.default_rng(seed)
    for number, (learned, judged) in enumerate(folds.split(features, labels), start=1):
        some = _some(learned, labels, generator)
        found[judged] = _fitted(features[some], labels[some], seed).predict_proba(features[judged])
        progress(TASK, number, FOLDS)
    return found


def _some(rows: Labels, labels: Labels, generator: np.random.Generator) -> Labels:
    """Returns at most so many rows that learning is quick; every class keeps one."""
    if len(rows) <= MOST_TO_LEARN_FROM:
        return rows
    rows = generator.permutation(rows)
    _, firsts = np.unique(labels[rows], return_index=True)
    return np.union1d(rows[:MOST_TO_LEARN_FROM], rows[firsts])


def _components(features: Descriptor, seed: int) -> NDArray[Any]:
    """Returns at most 80 principal components, of mean square length 1: the kernel's width fits any set."""
    from sklearn.decomposition import PCA

    if not np.ptp(features, axis=0).any():
        return np.zeros((len(features), 1))  # images that are all alike have no components
    count = min(COMPONENTS, *features.shape)
    components: NDArray[Any] = PCA(count, random_state=seed).fit_transform(features)
    return components / max(float(np.sqrt(np.square(components).sum(axis=1).mean())), 1e-6)


def _fitted(features: NDArray[Any], labels: Labels, seed: int) -> Pipeline:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    kernel = Nystroem(gamma=1.0, n_components=min(LANDMARKS, len(labels)), random_state=seed)
    model = make_pipeline(kernel, LogisticRegression(C=30.0, max_iter=100, tol=1e-3))
    with warnings.catch_warnings():  # where 100 steps are too few, what they reach is good enough here
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted: Pipeline = model.fit(features, labels)
    return fitted
