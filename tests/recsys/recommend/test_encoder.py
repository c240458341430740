import numpy as np
import pytest

from recsys.errors import BundleError
from recsys.features.sequences import Sequences
from recsys.recommend.encoder import EncoderError, UserEncoder
from recsys.recommend.pipeline import Recommender
from tests.recsys.bundle_builder import build_bundle, make_histories


def test_a_batch_gives_each_customer_the_vector_of_a_batch_of_one():
    recommender = Recommender(build_bundle())
    histories = make_histories(50, 60)
    together = recommender.user_vectors(histories)
    alone = [recommender.user_vectors(histories.select(np.array([c])))[0] for c in range(50)]
    np.testing.assert_array_equal(together, np.stack(alone))


def test_the_vector_is_the_weighted_sum_of_the_history_table():
    bundle = build_bundle()
    sequences = Recommender(bundle).features(make_histories(50, 60))
    weights = np.where(sequences.ids >= 0, sequences.weights, 0.0)
    expected = np.einsum("nl,nld->nd", weights, bundle.history_table[np.maximum(sequences.ids, 0)])
    np.testing.assert_allclose(
        UserEncoder(bundle.user_tower, 14).encode(sequences), expected, rtol=1e-5, atol=1e-6
    )


def test_bytes_that_are_no_graph_are_refused():
    with pytest.raises(BundleError, match=r"user_tower\.onnx: cannot be loaded") as failure:
        UserEncoder(b"nothing", 14)
    assert "\n" not in str(failure.value)


def test_a_graph_of_another_width_is_refused():
    with pytest.raises(BundleError, match=r"expected ids and weights to user \[batch, 9\]"):
        UserEncoder(build_bundle().user_tower, 9)


def test_an_item_outside_the_table_is_an_encoder_error():
    encoder = UserEncoder(build_bundle().user_tower, 14)
    with pytest.raises(EncoderError, match="failed"):
        encoder.encode(Sequences(np.array([[60]]), np.ones((1, 1), np.float32)))
