"""A server chooses parameters under which rounding decides: one customer still moves the sum by the bound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from experiments.evidence.bars import Bar
from recsys.features.sequences import Sequences
from tests.contracts.adversary.searched import SHAPES, an_objective, many_customers, searched, starts
from tests.contracts.gradients.builders import Silent, everyone, without_row
from training import engine, table_sum
from training.engine import Engine
from training.objective import Objective

CLIP = 0.3
SIZES = [(20_000, 100), (8_000, 1_000)]


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Callable[..., np.ndarray]:
    """The clipped sum of a step of the engine, as noise is added to it: float64."""
    taken: list[torch.Tensor] = []
    real = engine._NoisingOptimizer.take

    def take(self: engine._NoisingOptimizer, total: torch.Tensor) -> None:
        taken.append(total)
        real(self, total)

    monkeypatch.setattr(engine._NoisingOptimizer, "take", take)

    def measured(objective: Objective, parameters: np.ndarray, customers: Sequences) -> np.ndarray:
        rng = np.random.default_rng(3)
        Engine(objective).noised_gradient(parameters, customers, everyone(CLIP), Silent(), rng=rng)
        return taken.pop().numpy()

    return measured


def only(customers: Sequences, positions: np.ndarray) -> Sequences:
    return Sequences(customers.ids[positions], customers.weights[positions])


@pytest.mark.evidence
def test_under_searched_parameters_a_customer_moves_the_sum_by_the_clip_norm_at_most(
    exact: Callable[..., np.ndarray], counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    largest, tried = 0.0, 0
    for number, (n_customers, n_items) in enumerate(SIZES * counted(1, 4)):
        objective = an_objective(n_items, **SHAPES[number // 2])
        customers = many_customers(n_items, n_customers, seed=number)
        for place, start in enumerate(starts(objective, seed=number)):
            if counted(place % 4 != 2, False):
                continue
            parameters = searched(objective, customers, start, counted(4, 30), seed=number)
            whole, gone = exact(objective, parameters, customers), (0, n_customers // 2, -1)[tried % 3]
            rest = exact(objective, parameters, without_row(customers, gone))
            largest = max(largest, float(np.linalg.norm(whole - rest)) / CLIP)
            tried += 1
    evidence(
        f"hostile parameters, searched: {tried} tables, at 20,000 x 100 and 8,000 x 1,000, 64 columns",
        bars=[Bar("clip norms moved by one customer", largest, at_most=1.0 + 1e-9, at_least=0.5)],
    )


class Rounded(table_sum.TableSum):
    """Sums in float32, as they come out of a matrix product."""

    def __init__(self, tower, negatives, step) -> None:
        super().__init__(tower, negatives, step)
        self.total = torch.zeros(len(tower.rows), tower.table.shape[1])

    def add_negatives(self, users, coefficients, steps) -> None:
        self.total[self.negatives] += coefficients.T @ users.float()

    def add_own(self, items, own) -> None:
        self.total.index_add_(0, items, own.float())

    def table(self) -> torch.Tensor:
        table = torch.zeros_like(self.tower.table)
        for rows, scales in zip(self.tower.rows.T, self.tower.scales.T, strict=True):
            table.index_add_(0, rows, self.total * scales[:, None])
        return table.detach().double()


def test_sums_in_float32_would_be_found_out(
    exact: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same search has teeth: there rounding moves the sum by more than the customer."""
    monkeypatch.setattr("training.norm_sampler.TableSum", Rounded)
    objective, customers = an_objective(100, feature_scale=0.0), many_customers(100, 20_000, seed=0)
    nearly_equal = list(starts(objective, seed=0))[6]
    parameters = searched(objective, customers, nearly_equal, 4, seed=0)
    whole, rest = (exact(objective, parameters, some) for some in (customers, without_row(customers, 0)))
    assert np.linalg.norm(whole - rest) > CLIP * (1.0 + 1e-5)


@pytest.mark.parametrize("customers", [2, 4, 8, 13, 513, 1_600])
def test_a_sum_is_made_of_parts_whoever_else_is_in_it_and_in_whatever_order(
    customers: int, exact: Callable[..., np.ndarray]
) -> None:
    """Bit by bit: parts are whole numbers of steps, and sums of a few hundred are exact in float64."""
    objective = an_objective(500, feature_scale=0.0)
    everybody, half = many_customers(500, customers, seed=customers), customers // 2
    order = np.random.default_rng(customers).permutation(customers)
    for start in starts(objective, seed=1):
        whole = exact(objective, start, everybody)
        assert np.array_equal(whole, exact(objective, start, only(everybody, order)))
        first, second = (only(everybody, part) for part in (np.arange(half), np.arange(half, customers)))
        assert np.array_equal(whole, exact(objective, start, first) + exact(objective, start, second))
