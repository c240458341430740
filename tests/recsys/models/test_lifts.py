import numpy as np

from recsys.models.copurchase import CENTRING, PairScope
from recsys.models.lifts import estimate_lifts

ITEMS = 40


def scene(lift_within: float, total: float = 40_000.0):
    """Two categories; items of one are bought together `lift_within` times as often as by chance."""
    p = 1.0 / np.arange(2, ITEMS + 2)
    p /= p.sum()
    scope = PairScope.from_popularity(p, ITEMS, 10)
    category = (np.arange(ITEMS) % 2).astype(np.int32)
    lift = np.where(category[:, None] == category, lift_within, 1.0)
    lift /= p @ lift @ p  # or popularity would not be what it is
    d = p * scope.scale
    taken_off = 1.0 - (1.0 - CENTRING) ** 2
    pairs = (total * np.outer(d, d) * (lift - taken_off))[np.triu_indices(ITEMS, 1)]
    return p, scope, category, lift, pairs


def test_lifts_are_found_without_noise():
    _, scope, category, lift, pairs = scene(2.0)
    found = estimate_lifts(pairs, 0.0, scope, category)
    off = ~np.eye(ITEMS, dtype=bool)
    ratio = np.exp(found.log_lift)
    relative = ratio[off & (lift > 1.0)].mean() / ratio[off & (lift < 1.0)].mean()
    np.testing.assert_allclose(relative, 2.0, rtol=0.05)
    assert (np.diag(found.log_lift) == 0).all()


def test_noise_is_averaged_over_categories():
    _, scope, category, lift, pairs = scene(2.0)
    noised = pairs + np.random.default_rng(0).normal(0, 20.0, len(pairs))
    found = estimate_lifts(noised, 20.0, scope, category)
    off = ~np.eye(ITEMS, dtype=bool)
    ratio = np.exp(found.log_lift)
    relative = ratio[off & (lift > 1.0)].mean() / ratio[off & (lift < 1.0)].mean()
    np.testing.assert_allclose(relative, 2.0, rtol=0.15)


def test_noise_alone_gives_lifts_near_one():
    _, scope, category, _, pairs = scene(1.0, total=1_000.0)
    noised = pairs + np.random.default_rng(1).normal(0, 30.0, len(pairs))
    found = estimate_lifts(noised, 30.0, scope, category)
    assert np.abs(found.log_lift).max() < 0.7


def test_estimates_are_symmetric_and_not_negative():
    _, scope, category, _, pairs = scene(1.5)
    found = estimate_lifts(pairs - 50.0, 10.0, scope, category)
    assert (found.lift >= 0).all()
    assert np.allclose(found.lift, found.lift.T)
    assert (np.diag(found.lift) == 1).all()
