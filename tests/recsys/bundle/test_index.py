import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.bundle.index import ItemIndex, build_index, exact_search, with_popularity
from recsys.errors import BundleError
from recsys.seeds import rng


def world(n: int, d: int, seed: int):
    random = rng(seed, "index")
    vectors = random.normal(size=(n, d)).astype(np.float32)
    popularity = np.log(random.dirichlet(np.ones(n)) + 1e-9).astype(np.float32)
    query = np.append(random.normal(size=d), 1.0).astype(np.float32)
    return vectors, popularity, query, random


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 250), st.floats(0, 1), st.integers(0, 10**6))
def test_the_index_finds_what_exact_search_finds(n, d, wanted, share, seed):
    vectors, popularity, query, random = world(n, d, seed)
    index, rows = build_index(vectors, popularity), with_popularity(vectors, popularity)
    assert index.search(query, wanted).tolist() == exact_search(rows, query, wanted).tolist()
    allowed = random.random(n) < share
    found = index.search(query, wanted, allowed)
    assert found.tolist() == exact_search(rows, query, wanted, allowed).tolist()
    assert len(found) == min(wanted, allowed.sum())


def test_without_a_customer_the_order_is_popularity():
    vectors, popularity, _, _ = world(50, 4, 1)
    nobody = np.array([0, 0, 0, 0, 1], np.float32)
    assert build_index(vectors, popularity).search(nobody, 50).tolist() == np.argsort(-popularity).tolist()


def test_an_index_survives_its_bytes():
    vectors, popularity, query, _ = world(40, 3, 2)
    index = build_index(vectors, popularity)
    copy = ItemIndex.from_bytes(index.to_bytes())
    assert (len(copy), copy.columns) == (40, 4)
    assert copy.search(query, 40).tolist() == index.search(query, 40).tolist()
    assert index.to_bytes() == build_index(vectors, popularity).to_bytes()


@pytest.mark.parametrize("data", [b"", b"not an index at all"])
def test_other_bytes_are_refused(data):
    with pytest.raises(BundleError, match=r"index\.faiss: not a FAISS index"):
        ItemIndex.from_bytes(data)


def test_an_index_with_another_metric_is_refused():
    import faiss

    data = faiss.serialize_index(faiss.IndexFlatL2(3)).tobytes()
    with pytest.raises(BundleError, match="inner-product"):
        ItemIndex.from_bytes(data)
