"""Scores that are exact sums of what they are made of, whoever is beside whom."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from training.exact_products import TABLE_BITS, WEIGHT_BITS, exact_products

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def drawn(n: int, places: int, d: int, size: float, seed: int = 0) -> Arrays:
    """ids, weights of norm 1, and tables of 30 items with entries of many sizes, up to about `size`."""
    r = np.random.default_rng(seed)
    weights = np.exp(r.normal(size=(n, places)) * 3.0)
    weights = (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)
    tables = r.normal(size=(2, 30, d)) * np.exp(r.normal(size=(2, 30, d)) * 3.0)
    tables = (tables * size / np.abs(tables).max()).astype(np.float32)
    return r.integers(0, 30, (n, places)), weights, *tables


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize(("places", "d"), [(1, 1), (7, 3), (100, 64), (1_000, 300)])
def test_rows_are_the_same_alone_and_in_any_order(places: int, d: int, size: float) -> None:
    ids, weights, table, vectors = drawn(40, places, d, size)
    among = exact_products(ids, weights, table, vectors)
    assert np.isfinite(among).all()
    assert among.any()
    turned = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(exact_products(ids[turned], weights[turned], table, vectors), among[turned])
    for c in range(40):
        alone = exact_products(ids[[c]], weights[[c]], table, vectors)
        np.testing.assert_array_equal(alone[0], among[c])
    columns = np.random.default_rng(2).permutation(d)
    np.testing.assert_array_equal(exact_products(ids, weights, table[:, columns], vectors[:, columns]), among)


@pytest.mark.parametrize(("places", "d"), [(1, 1), (7, 3), (100, 64)])
def test_scores_are_those_of_the_definition_but_for_the_grid(places: int, d: int) -> None:
    ids, weights, table, vectors = drawn(20, places, d, 1.0)
    users = np.einsum("nl,nld->nd", weights.astype(np.float64), table[ids].astype(np.float64))
    scores = users @ vectors.T.astype(np.float64)
    found = exact_products(ids, weights, table, vectors)
    np.testing.assert_allclose(found, scores, atol=1e-4 * np.abs(scores).max())


def test_the_largest_sums_that_may_be_are_still_exact() -> None:
    places, d = 1_024, 512
    weights = np.full((3, places), 1.0 / 32.0, np.float32)
    one = np.nextafter(np.float32(1.0), np.float32(0.0))
    table, vectors = np.full((2, d), one), np.full((2, d), one)
    vectors[1, ::2] = np.float32(-1.0) / 3
    found = exact_products(np.zeros((3, places), np.int64), weights, table, vectors)
    bits = (53 - 6 - 1 - 9) // 2
    user = places * round(2.0**WEIGHT_BITS / 32.0) * round(float(one) * 2.0**TABLE_BITS)
    held = round(Fraction(user, 2 ** (WEIGHT_BITS + TABLE_BITS - bits)))
    for item in range(2):
        steps = sum(round(float(x) * 2.0**bits) for x in vectors[item])
        assert Fraction(found[0, item]) == Fraction(held * steps, 2 ** (2 * bits))
