import numpy as np

from recsys.models.cells import PairCells
from recsys.models.copurchase import PairScope
from recsys.models.shrinkage import low_rank, shrink_cells, top_components

CELLS = PairCells(PairScope.from_popularity(np.full(120, 1 / 120), 120, 1))


def test_top_components_are_the_leading_singular_triplets():
    matrix = np.random.default_rng(0).normal(size=(60, 4)) @ np.random.default_rng(1).normal(size=(4, 60))
    u, s, v = top_components(matrix, 4)
    np.testing.assert_allclose((u * s) @ v.T, matrix, atol=1e-9)
    np.testing.assert_allclose(s, np.linalg.svd(matrix)[1][:4])


def test_no_more_components_than_there_are():
    u, s, v = top_components(np.diag([3.0, 2.0, 1.0]), 48)
    assert (u.shape, s.shape, v.shape) == ((3, 3), (3,), (3, 3))


def test_low_rank_finds_a_block_that_noise_hides_in_single_cells():
    r = np.random.default_rng(0)
    group = np.repeat([1.0, -1.0], 60)
    truth = np.outer(group, group)
    noise = np.triu(r.normal(0.0, 3.0, truth.shape), 1)
    found = low_rank(CELLS, (truth + noise)[CELLS.first, CELLS.second], np.ones(120), 3.0, 5)
    off = ~np.eye(120, dtype=bool)
    assert np.square(found - truth)[off].mean() < 0.2
    np.testing.assert_allclose(found, found.T, atol=1e-6)


def test_low_rank_of_noise_alone_is_small():
    noise = np.triu(np.random.default_rng(1).normal(0.0, 3.0, (120, 120)), 1)
    found = low_rank(CELLS, noise[CELLS.first, CELLS.second], np.ones(120), 3.0, 5)
    assert np.square(found).mean() < 0.1


def test_cells_are_shrunk_to_nothing_in_noise_and_kept_when_far_above_it():
    r = np.random.default_rng(2)
    expected = np.full(20_000, 2.0)
    truth = np.where(r.random(20_000) < 0.01, 12.0, 0.0)
    noised = truth + r.normal(0.0, 1.0, 20_000)
    found = shrink_cells(noised, expected, 1.0)
    assert np.square(found - truth).mean() < 0.1
    assert np.square(found - truth).mean() < 0.2 * np.square(noised - truth).mean()
    assert found[truth > 0].mean() > 10.0


def test_shrinkage_never_overshoots():
    residual = np.random.default_rng(3).normal(0.0, 2.0, 500)
    found = shrink_cells(residual, np.random.default_rng(4).random(500), 1.0)
    assert (np.abs(found) <= np.abs(residual)).all()
    assert (found * residual >= 0).all()


def test_cells_without_variety_are_shrunk_too():
    assert shrink_cells(np.zeros(3), np.zeros(3), 1.0).tolist() == [0.0, 0.0, 0.0]
