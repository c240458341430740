"""Whole numbers: factors on their steps, sums that are carried, and a table that is the same in any order."""

import numpy as np
import pytest
import torch

from recsys.errors import TrainingError
from tests.contracts.gradients.builders import make_objective, start
from training import table_sum
from training.exact_sum import WholeSum, factor_steps, grid_step, put_on_steps, value
from training.table_sum import TableSum


@pytest.mark.parametrize("clip_norm", [1e-6, 0.3, 0.5, 1.0, 1.99, 1e6])
def test_the_grid_is_a_power_of_two_far_below_the_clip_norm(clip_norm: float) -> None:
    step = grid_step(clip_norm)
    assert np.log2(step) == int(np.log2(step))
    assert 2.0**41 <= clip_norm / step < 2.0**42


def test_coefficients_are_whole_multiples_of_a_step_far_below_their_norm() -> None:
    random = torch.Generator().manual_seed(0)
    rows = torch.rand(6, 40, generator=random) ** 8 * torch.logspace(-30, 0, 6)[:, None]
    rows[2] = 0.0
    norms = rows.double().norm(dim=1)
    steps, rounded = factor_steps(norms), rows.clone()
    put_on_steps(rounded, steps)
    multiples = rounded.double() / steps[:, None]
    assert torch.equal(multiples, multiples.round())
    assert (steps[norms > 0] <= norms[norms > 0] * 2.0**-20).all()
    assert ((rounded.double() - rows).abs() <= steps[:, None] / 2).all()


def test_what_is_carried_is_not_lost() -> None:
    total, random = WholeSum(50), np.random.default_rng(1)
    expected = np.zeros(50, object)
    for _ in range(40):
        part = random.integers(-(2**61), 2**61, 50)
        total.low += torch.from_numpy(part)
        total.carry()
        expected = expected + part.astype(object)
    low, high = total.limbs(2)
    assert [int(h) * 2**20 + int(x) for x, h in zip(low, high, strict=True)] == expected.tolist()
    found = value([low, high], 0.5).numpy()
    np.testing.assert_allclose(found, expected.astype(float) / 2, rtol=2.0**-51)


@pytest.mark.parametrize("negatives", [7, 60])
def test_a_table_is_the_same_in_any_order_and_however_often_it_is_carried(
    negatives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective, random = make_objective(popularity_power=0.5, full_rank=9), np.random.default_rng(2)
    tower, customers = objective.tower(start(objective)), 90
    chosen = torch.from_numpy(random.integers(0, 60, negatives))
    coefficients = torch.from_numpy(random.random((customers, negatives)).astype(np.float32))
    steps = factor_steps(coefficients.double().norm(dim=1))
    put_on_steps(coefficients, steps)
    users = torch.from_numpy(random.normal(size=(customers, 8)) * 0.05)
    items, own = torch.from_numpy(random.integers(0, 60, 300)), torch.from_numpy(random.normal(size=(300, 8)))

    def summed(order: np.ndarray, among: np.ndarray) -> torch.Tensor:
        total = TableSum(tower, chosen, grid_step(0.3))
        for rows in np.array_split(order, 4):
            total.add_negatives(users[rows], coefficients[rows], steps[rows])
        total.add_own(items[among], own[among])
        return total.table()

    expected = summed(np.arange(customers), np.arange(300))
    for name, few in (("CUSTOMERS", 16), ("FEW", 32), ("OWN_ITEMS", 50)):
        monkeypatch.setattr(table_sum, name, few)
        assert torch.equal(summed(random.permutation(customers), random.permutation(300)), expected)
    by_hand = torch.zeros(60, 8, dtype=torch.float64)
    by_hand.index_add_(0, items, own).index_add_(0, chosen, coefficients.double().T @ users)
    rows = torch.zeros_like(expected)
    for column, scales in zip(tower.rows.T, tower.scales.T, strict=True):
        rows.index_add_(0, column, by_hand * scales[:, None])
    torch.testing.assert_close(expected, rows, rtol=1e-6, atol=1e-6)


def test_more_negatives_than_integers_hold_sums_of_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = make_objective()
    monkeypatch.setattr(table_sum, "MOST_NEGATIVES", 9)
    with pytest.raises(TrainingError, match=r"lower towers\.negatives"):
        TableSum(objective.tower(start(objective)), torch.arange(10), grid_step(0.3))
