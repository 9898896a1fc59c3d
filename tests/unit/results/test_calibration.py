from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

from cnnexp.results.calibration import cross_entropy, fit_temperature, probabilities_of, reliability


def sharp(
    seed: int, count: int, classes: int, factor: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits that are `factor` times those their labels were drawn from."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, classes)) * 2
    cumulative = probabilities_of(logits).cumsum(axis=1)
    labels = (generator.random(count)[:, None] > cumulative).sum(axis=1)
    return logits * factor, labels


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_bins_are_those_of_scikit_learn(classes: int) -> None:
    logits, labels = sharp(0, 500, classes, 1.5)
    probabilities = probabilities_of(logits)
    found = reliability(probabilities, labels)
    right, said = calibration_curve(
        probabilities.argmax(axis=1) == labels, probabilities.max(axis=1), n_bins=15, strategy="uniform"
    )
    filled = found.counts > 0
    np.testing.assert_allclose(found.accuracy[filled], right)
    np.testing.assert_allclose(found.confidence[filled], said)
    assert found.counts.sum() == 500


def test_error_is_the_mean_gap_over_images() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [1.0, 0.0]])
    found = reliability(probabilities, np.array([0, 1, 1, 0]))
    # (0.9 said, half right) twice, (0.7 said, right) once, (1 said, right) once
    assert found.error == pytest.approx((2 * 0.4 + 0.3 + 0) / 4)


def test_temperature_that_sharpened_the_logits_is_found_again_and_mends_the_error() -> None:
    logits, labels = sharp(1, 20_000, 10, 2.5)
    temperature = fit_temperature(logits, labels)
    assert temperature.value == pytest.approx(2.5, rel=0.05)
    assert not temperature.is_bound
    before = reliability(probabilities_of(logits), labels).error
    assert reliability(probabilities_of(logits, temperature.value), labels).error < before / 5
    losses = [cross_entropy(logits / t, labels) for t in (temperature.value, 1.01 * temperature.value, 1)]
    assert losses == sorted(losses)


def test_a_part_that_is_all_right_or_worse_than_chance_has_no_finite_temperature() -> None:
    right = np.array([[3.0, 0.0], [0.0, 2.0]])
    for labels, end in (([0, 1], 0.01), ([1, 0], 100)):
        found = fit_temperature(right, np.array(labels))
        assert found.is_bound
        assert found.value == pytest.approx(end)
