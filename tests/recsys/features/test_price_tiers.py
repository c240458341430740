from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.features.price_tiers import NO_TIER, TIERS, price_tiers
from tests.recsys.histories_builder import make_catalogue


def priced(categories, prices, sizes=None):
    sizes = [1.0] * len(categories) if sizes is None else sizes
    return replace(
        make_catalogue(categories),
        prices=np.array(prices, np.float32),
        pack_sizes=np.array(sizes, np.float32),
    )


def test_a_category_fills_its_tiers_evenly_from_cheap_to_dear():
    catalogue = priced(["tea"] * 20 + ["milk"] * 10, [*range(20, 0, -1), *range(1, 11)])
    tiers = price_tiers(catalogue)
    assert tiers[:20].tolist() == [tier for tier in reversed(range(TIERS)) for _ in range(2)]
    assert tiers[20:].tolist() == list(range(TIERS)), "whatever other categories cost"


def test_what_counts_is_the_price_per_unit_where_the_pack_size_is_known():
    prices = [4.0, 3.0, 2.5, 2.0]
    assert price_tiers(priced(["tea"] * 4, prices)).tolist() == [7, 5, 2, 0]
    assert price_tiers(priced(["tea"] * 4, prices, [4.0, 1.0, np.nan, 0.0])).tolist() == [0, 7, 5, 2]


def test_items_without_a_price_have_no_tier():
    tiers = price_tiers(priced(["tea"] * 4, [np.nan, 1.0, 0.0, 2.0]))
    assert tiers.tolist() == [NO_TIER, 0, NO_TIER, 5]
    assert price_tiers(priced(["tea"] * 2, [np.nan, np.nan])).tolist() == [NO_TIER, NO_TIER]
    assert price_tiers(priced([], [])).tolist() == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["tea", "milk", ""]), st.floats(0.5, 100, width=32)),
        min_size=1,
        max_size=60,
    )
)
def test_tiers_rise_with_the_price_within_a_category(items):
    categories, prices = zip(*items, strict=True)
    tiers = price_tiers(priced(categories, prices))
    assert ((tiers >= 0) & (tiers < TIERS)).all()
    for category in set(categories):
        here = np.array([name == category for name in categories])
        ordered = tiers[here][np.argsort(np.array(prices)[here], kind="stable")]
        assert (np.diff(ordered) >= 0).all()
        counts = np.bincount(ordered, minlength=TIERS)
        assert counts.max() - counts.min() <= 1
