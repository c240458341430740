from dataclasses import replace

import numpy as np

from recsys.features.items import item_features
from tests.recsys.histories_builder import make_catalogue


def test_every_value_has_a_row_of_its_own():
    catalogue = replace(make_catalogue(["tea", "milk", "tea", ""]), brands=("b", "a", "a", "b"))
    rows, size = item_features(catalogue)
    assert rows[:, 0].tolist() == [0, 1, 2, 3]
    assert rows[:, 1].tolist() == [5, 4, 4, 5]  # brands a, b
    assert rows[:, 2].tolist() == [8, 7, 8, 6]  # categories '', milk, tea
    assert rows[:, 3].tolist() == [9, 9, 9, 9]
    assert rows[:, 4].tolist() == [10, 10, 11, 10]  # one price: tiers 0, 5 of tea, else 0
    assert size == 12
    assert rows.dtype == np.int64


def test_columns_never_share_rows_and_fill_the_table():
    rows, size = item_features(make_catalogue([f"category {i % 5}" for i in range(40)]))
    assert sorted(set(rows.ravel().tolist())) == list(range(size))
    assert all(rows[:, f].max() < rows[:, f + 1].min() for f in range(4))
