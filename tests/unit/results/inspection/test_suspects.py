"""Doubtful labels: most of those that were flipped are found, first of all, and a rule decides which."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from cnnexp.results.inspection import suspects
from cnnexp.results.inspection.outlines import outlines
from cnnexp.results.inspection.spectrum import spectrum
from cnnexp.results.inspection.suspects import contradicted, suspected_labels


def test_of_flipped_digits_most_are_found_and_most_that_are_found_are_flipped() -> None:
    digits = load_digits()
    labels = digits.target.astype(np.int64)
    generator = np.random.default_rng(0)
    flipped = generator.choice(len(labels), len(labels) // 20, replace=False)  # 5 %
    labels[flipped] = (labels[flipped] + generator.integers(1, 10, len(flipped))) % 10
    images = (digits.images * 15.9).astype(np.uint8)[..., None]
    descriptors = spectrum(images), outlines(torch.from_numpy(images).permute(0, 3, 1, 2))
    found = suspected_labels(descriptors, labels, np.arange(len(labels)))
    assert found is not None
    hits = np.isin(found.rows, flipped)
    recall, precision = hits.sum() / len(flipped), hits.mean()
    assert (recall > 0.7, precision > 0.9) == (True, True), (recall, precision)
    assert hits[:40].all(), "the most contradicted ones come first"
    right = found.says == digits.target[found.rows]
    assert right[hits].mean() > 0.9, "what the image is said to be is what it is"
    assert 0.9 < found.accuracy < 0.96, "of labels 5 % of which are wrong"


def test_a_label_is_suspected_where_another_class_is_over_its_own_threshold() -> None:
    #                          0: threshold 0.7   1: threshold 0.6
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7], [0.45, 0.55], [0.45, 0.55], [0.2, 0.8]])
    labels = np.array([0, 0, 1, 1, 1, 1])
    labels_wrong = np.array([0, 0, 1, 1, 1, 0])
    assert contradicted(probabilities, labels)[0].tolist() == []
    rows, says = contradicted(probabilities, labels_wrong)
    assert (rows.tolist(), says.tolist()) == ([5], [1])


def test_the_widest_margin_comes_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.05, 0.95], [0.02, 0.98]])
    rows, says = contradicted(probabilities, np.array([0, 0, 1, 1, 0, 0]))
    assert rows.tolist() == [5, 4]
    assert says.tolist() == [1, 1]


def test_classes_with_fewer_images_than_folds_are_not_judged() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [20, 20, 4, 0]).astype(np.int64)
    descriptor = (generator.normal(size=(44, 6)) + 5 * labels[:, None]).astype(np.float32)
    found = suspected_labels([descriptor], labels, np.arange(44))
    assert found is not None
    assert (found.judged, found.too_small, len(found)) == (40, (2,), 0)
    assert suspected_labels([descriptor], labels, np.arange(25)) is not None
    assert suspected_labels([descriptor], labels, np.arange(24)) is None


def test_of_a_large_set_a_part_is_learned_from_and_every_image_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suspects, "MOST_TO_LEARN_FROM", 150)
    labels = (np.arange(600) % 40).astype(np.int64)
    descriptor = np.eye(40, dtype=np.float32)[labels]
    told: list[tuple[int, int]] = []
    found = suspected_labels(
        [descriptor], labels, np.arange(600), progress=lambda _, done, total: told.append((done, total))
    )
    assert found is not None
    assert found.judged == 600
    assert told == [(fold, 5) for fold in range(1, 6)]


def test_images_that_are_all_alike_are_judged_without_an_error() -> None:
    labels = (np.arange(20) % 2).astype(np.int64)
    found = suspected_labels([np.ones((20, 4), np.float32)], labels, np.arange(20))
    assert found is not None
    assert found.accuracy <= 0.5


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 48), (3, 5, 5)])
def test_outlines_tell_upright_stripes_from_lying_ones(shape: tuple[int, int, int]) -> None:
    upright = torch.zeros(1, *shape, dtype=torch.uint8)
    upright[..., ::2] = 200
    lying = torch.zeros(1, *shape, dtype=torch.uint8)
    lying[..., ::2, :] = 200
    if shape[1] > 32:  # what is finer than the grid is smoothed away
        upright, lying = torch.zeros_like(upright), torch.zeros_like(lying)
        upright[..., : shape[2] // 2], lying[..., : shape[1] // 2, :] = 200, 200
    one, other = outlines(upright)[0], outlines(lying)[0]
    assert one.shape == (512,)
    assert 0.9 < np.linalg.norm(one) <= 1
    assert one @ other < 0.2
    assert one @ outlines(255 - upright)[0] > 0.9, "light on dark and dark on light are one edge"
