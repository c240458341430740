from dataclasses import replace

import numpy as np
import onnx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.vocab import Catalogue
from recsys.errors import TrainingError
from recsys.features.profile import ProfileConfig, TasteProfile
from recsys.features.sequences import Sequences
from recsys.recommend.encoder import UserEncoder
from recsys.seeds import rng
from recsys.towers.export import check_parity, export_user_tower


def table(n: int = 30, d: int = 7) -> np.ndarray:
    return rng(0, "export").normal(size=(n, d)).astype(np.float32)


def test_the_graph_is_the_weighted_sum_of_the_table():
    history_table = table()
    assert check_parity(export_user_tower(history_table), history_table) < 1e-6


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("length", [0, 1, 50])
def test_padding_adds_nothing_whatever_its_weight(batch, length):
    history_table = table()
    ids = np.full((batch, length + 2), -1)
    ids[:, 0] = 4
    weights = np.full(ids.shape, 5.0, np.float32)
    user = UserEncoder(export_user_tower(history_table), 7).encode(Sequences(ids, weights))
    np.testing.assert_allclose(user, np.repeat(5.0 * history_table[4:5], batch, axis=0), rtol=1e-6)


def test_equal_tables_give_equal_bytes_and_a_valid_model():
    graph = export_user_tower(table())
    assert graph == export_user_tower(table())
    onnx.checker.check_model(onnx.load_model_from_string(graph), full_check=True)


def test_a_graph_of_another_table_fails_the_parity_check():
    with pytest.raises(TrainingError, match="differs from its table"):
        check_parity(export_user_tower(table() * 1.001), table())


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros(3), np.full((2, 2), np.nan)])
def test_what_is_no_table_is_refused(bad):
    with pytest.raises(TrainingError, match="cannot be exported"):
        export_user_tower(bad)


def profile_of(n: int, seed: int) -> TasteProfile:
    """Tastes over a catalogue where some items have no category, brand or price at all."""
    random = rng(seed, "profile-export")
    names = np.array(["", "a", "b", "c"])
    catalogue = Catalogue.from_table(
        pa.table(
            {
                "item_id": [f"item-{number:03d}" for number in range(n)],
                "category": names[random.integers(0, 4, n)].tolist(),
                "brand": names[random.integers(0, 4, n)].tolist(),
                "price": [None if price < 0.2 else float(price) for price in random.random(n)],
            }
        )
    )
    return TasteProfile.of(catalogue, random.random(n) + 0.01, ProfileConfig(max_columns=9))


@given(st.integers(2, 40), st.integers(0, 2**32), st.integers(0, 4), st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_the_graph_computes_the_same_tastes_as_numpy(n, seed, customers, length):
    profile = profile_of(n, seed)
    history_table = np.hstack([table(n, 3), profile.items()])
    graph = export_user_tower(history_table, profile)
    assert check_parity(graph, history_table, profile) < 1e-5
    random = rng(seed, "customers")
    ids = np.stack([random.permutation(np.r_[np.arange(n), np.full(12, -1)])[:length] for _ in range(5)])
    ids, weights = ids[:customers], random.random((customers, length), np.float32) + np.float32(0.1)
    user = UserEncoder(graph, history_table.shape[1]).encode(Sequences(ids, weights))
    np.testing.assert_allclose(user[:, 3:], profile.users(ids), rtol=1e-5, atol=1e-5)
    for row in range(customers):
        alone = UserEncoder(graph, history_table.shape[1]).encode(
            Sequences(ids[row : row + 1], weights[row : row + 1])
        )
        np.testing.assert_allclose(alone[0, 3:], user[row, 3:], rtol=1e-6, atol=1e-6)


def test_an_empty_history_has_no_tastes_in_the_graph_either():
    profile = profile_of(30, 0)
    history_table = np.hstack([table(30, 3), profile.items()])
    graph = export_user_tower(history_table, profile)
    nothing = Sequences(np.full((2, 5), -1), np.ones((2, 5), np.float32))
    assert not UserEncoder(graph, history_table.shape[1]).encode(nothing).any()


def test_the_graph_of_another_profile_fails_the_parity_check():
    one, other = profile_of(30, 0), profile_of(30, 0)
    history_table = np.hstack([table(30, 3), one.items()])
    stronger = replace(other, weight=2.0 * other.weight)
    with pytest.raises(TrainingError, match="differs from its table"):
        check_parity(export_user_tower(history_table, stronger), history_table, one)
