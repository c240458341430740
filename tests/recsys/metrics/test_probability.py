"""Figures of probabilities against scikit-learn, and by hand."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from recsys.metrics.probability import (
    SMALLEST,
    Calibration,
    Ranks,
    brier_scores,
    equal_mass_bins,
    equal_width_bins,
    error_by_chance,
    log_losses,
)


@pytest.fixture(name="sample")
def _sample() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    chances = np.round(random.random(2_000) ** 2, 2)  # many ties
    return chances, random.random(2_000) < chances


def test_the_same_as_scikit_learn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    chances, outcomes = sample
    kept = np.clip(chances, SMALLEST, 1 - SMALLEST)
    assert log_losses(chances, outcomes).mean() == pytest.approx(log_loss(outcomes, kept))
    assert brier_scores(chances, outcomes).mean() == pytest.approx(brier_score_loss(outcomes, chances))
    assert Ranks.of(chances, outcomes).auc() == pytest.approx(roc_auc_score(outcomes, chances))
    weights = np.random.default_rng(2).integers(0, 4, len(chances)).astype(float)
    expected = roc_auc_score(outcomes, chances, sample_weight=weights)
    assert Ranks.of(chances, outcomes).auc(weights) == pytest.approx(expected)


def test_a_certain_mistake_is_finite_and_one_outcome_has_no_area() -> None:
    assert log_losses(np.array([0.0]), np.array([True]))[0] == pytest.approx(-np.log(SMALLEST))
    assert np.isnan(Ranks.of(np.array([0.2, 0.3]), np.array([True, True])).auc())


def test_calibration_by_hand() -> None:
    chances = np.array([0.05, 0.05, 0.95, 1.0])
    outcomes = np.array([False, True, True, True])
    which = equal_width_bins(chances)
    assert which.tolist() == [0, 0, 9, 9]
    # |0.1 - 1| in the first bin, |1.95 - 2| in the last one, over 4 rows.
    assert Calibration.of(chances, outcomes, which).error == pytest.approx((0.9 + 0.05) / 4)


def test_bins_of_equal_mass(sample: tuple[np.ndarray, np.ndarray]) -> None:
    chances = np.random.default_rng(3).random(1_000) ** 5
    counts = np.bincount(equal_mass_bins(chances), minlength=10)
    assert counts.min() >= 99
    assert counts.max() <= 101
    assert len(np.unique(equal_mass_bins(np.full(10, 0.3)))) == 1


def test_right_chances_have_an_error_by_chance(sample: tuple[np.ndarray, np.ndarray]) -> None:
    chances = np.full(100, 0.5)
    which = equal_width_bins(chances)
    # |mean of 100 coins - 0.5| is on average 0.05 * sqrt(2 / pi).
    assert error_by_chance(chances, which, np.random.default_rng(4)) == pytest.approx(0.0399, rel=0.2)
    certain = np.array([0.0, 1.0, 1.0])
    assert error_by_chance(certain, equal_width_bins(certain), np.random.default_rng(5)) == 0.0
    many, happened = sample
    expected = error_by_chance(many, equal_width_bins(many), np.random.default_rng(6))
    assert Calibration.of(many, happened, equal_width_bins(many)).error < 3 * expected
