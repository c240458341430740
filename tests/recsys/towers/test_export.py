import numpy as np
import onnx
import pytest

from recsys.errors import TrainingError
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
