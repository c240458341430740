"""Small histories for tests, written as one would tell them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from recsys.data.history import SECONDS_PER_DAY, EventType, Histories, Ordering
from recsys.data.vocab import Catalogue

Row = tuple[int, int] | tuple[int, int, str]
"""(time, item) or (time, item, event); times are days, or order numbers."""


def make_histories(*customers: Sequence[Row], ordering: Ordering = Ordering.TIMESTAMP) -> Histories:
    """One list of rows per customer; purchases unless a row names another event."""
    rows = [(*row, "purchase")[:3] for customer in customers for row in sorted(customer, key=lambda r: r[0])]
    times = np.array([row[0] for row in rows], np.int64)
    return Histories(
        np.concatenate(([0], np.cumsum([len(c) for c in customers]))).astype(np.int64),
        np.array([row[1] for row in rows], np.int32),
        times * {Ordering.TIMESTAMP: SECONDS_PER_DAY, Ordering.ORDER_NUMBER: 1, Ordering.NONE: 0}[ordering],
        np.array([EventType(row[2]).code for row in rows], np.int8),
        np.ones(len(rows), np.float32),
        ordering,
    )


def random_histories(n: int, events: int, n_items: int, seed: int = 0, *, days: int = 100) -> Histories:
    """Customers with 0 to `events` purchases of skewed popularity."""
    r = np.random.default_rng(seed)
    lengths = r.integers(0, events + 1, n)
    return make_histories(
        *(
            list(zip(r.integers(0, days, k), (r.random(k) ** 2 * n_items).astype(int), strict=True))
            for k in lengths
        )
    )


def make_catalogue(categories: Sequence[str], consumable: Sequence[bool] | None = None) -> Catalogue:
    """Items i000, i001, ... with these categories; all used up unless said otherwise."""
    n = len(categories)
    return Catalogue(
        item_ids=tuple(f"i{i:03}" for i in range(n)),
        titles=("",) * n,
        brands=tuple(f"brand {i % 3}" for i in range(n)),
        categories=tuple(categories),
        departments=("food",) * n,
        pack_sizes=np.ones(n, np.float32),
        prices=np.ones(n, np.float32),
        consumable=np.ones(n, bool) if consumable is None else np.array(consumable),
    )


def customers_strategy(
    n_items: int = 8, max_events: int = 12, *, events: bool = False
) -> st.SearchStrategy[list[list[Row]]]:
    """Lists of customers as `make_histories` takes them."""
    kinds = st.sampled_from([event.value for event in EventType]) if events else st.just("purchase")
    row = st.tuples(st.integers(0, 30), st.integers(0, n_items - 1), kinds)
    return st.lists(st.lists(row, max_size=max_events), max_size=6)
