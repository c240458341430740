"""What every ranker must do, whatever it is: (histories, owned excluded?) -> int32 [n, k]."""

from __future__ import annotations

import numpy as np

from recsys.data.history import Histories
from recsys.evaluate import Ranker
from tests.recsys.histories_builder import make_histories

N_ITEMS = 12


def checkerboard() -> Histories:
    """Customer c bought the items of c's own colour, all but one: even items for even c, odd ones for odd c.

    The one left out is what a model of taste should find. Customer 12 is new, customer 13 bought everything.
    """
    customers = []
    for c in range(N_ITEMS):
        items = [i for i in range(N_ITEMS) if i % 2 == c % 2 and i != c]
        customers.append([(day + 1, item) for day, item in enumerate(items)])
    return make_histories(*customers, [], [(day, day) for day in range(N_ITEMS)])


def check_ranker(rank: Ranker, k: int) -> None:
    """AssertionError unless `rank` keeps the contract of `recsys.evaluate.Ranker` on the checkerboard."""
    h = checkerboard()
    for owned_excluded in (False, True):
        ranked = rank(h, owned_excluded)
        _check_form(ranked, len(h), k)
        assert np.array_equal(ranked, rank(h, owned_excluded)), "the same histories give the same lists"
        backwards = np.arange(len(h))[::-1]
        assert np.array_equal(rank(h.select(backwards), owned_excluded), ranked[::-1]), (
            "customers stand alone"
        )
    for c, row in enumerate(rank(h, True)):
        owned = h.items[h.offsets[c] : h.offsets[c + 1]]
        assert not np.isin(row, owned).any(), "owned items are left out"
        assert (row >= 0).sum() == min(k, N_ITEMS - len(np.unique(owned))), "no place is wasted"


def finds_the_taste(rank: Ranker) -> bool:
    """Whether the first new item of every checkerboard customer is the one left out."""
    h = checkerboard().select(np.arange(N_ITEMS))
    return rank(h, True)[:, 0].tolist() == list(range(N_ITEMS))


def _check_form(ranked: np.ndarray, n: int, k: int) -> None:
    assert ranked.shape == (n, k)
    assert ranked.dtype == np.int32
    assert ((ranked >= -1) & (ranked < N_ITEMS)).all()
    for row in ranked:
        real = row[row >= 0]
        assert len(np.unique(real)) == len(real), "no item twice"
        assert (row[len(real) :] == -1).all(), "padding stands last"
