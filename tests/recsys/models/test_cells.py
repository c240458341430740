import numpy as np
import pytest

from recsys.models.cells import PairCells
from recsys.models.copurchase import PairScope

POPULARITY = 1.0 / np.arange(1, 31)


@pytest.mark.parametrize("max_pairs", [10_000, 200, 1])
def test_products_are_those_of_the_dense_matrix(max_pairs):
    scope = PairScope.from_popularity(POPULARITY / POPULARITY.sum(), 30, 5, max_pairs)
    cells = PairCells(scope)
    r = np.random.default_rng(0)
    values, matrix = r.normal(size=scope.n_pairs), r.normal(size=(30, 4))
    np.testing.assert_allclose(cells.times(values, matrix), scope.square(values) @ matrix, atol=1e-12)
    assert cells.per_row.tolist() == (scope.square(np.ones(scope.n_pairs)) > 0).sum(axis=1).tolist()
