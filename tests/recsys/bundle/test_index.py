from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.bundle import codes
from recsys.bundle.index import ItemIndex, build_index
from recsys.errors import BundleError
from recsys.seeds import rng


def exact_search(
    rows: NDArray[np.float32], query: NDArray[np.float32], n: int, allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """What `ItemIndex.search` must find, in plain numpy; rows: float32 [n_items, columns]."""
    scores = rows.astype(np.float64) @ query
    order = np.argsort(-scores, kind="stable")
    if allowed is not None:
        order = order[allowed[order]]
    return order[:n]


def with_popularity(vectors: NDArray[np.float32], log_popularity: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows that an index is over, [v_j ; log pi_j]; float32 [n, d + 1]."""
    return np.concatenate([vectors, log_popularity[:, None]], axis=1, dtype=np.float32)


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
    copy = ItemIndex.from_bytes(index.to_bytes(), vectors, popularity)
    assert (len(copy), copy.columns) == (40, 4)
    assert copy.search(query, 40).tolist() == index.search(query, 40).tolist()
    assert index.to_bytes() == build_index(vectors, popularity).to_bytes()


@pytest.mark.parametrize("data", [b"", b"not an index at all"])
def test_other_bytes_are_refused(data):
    with pytest.raises(BundleError, match=r"index\.faiss: not a FAISS index"):
        ItemIndex.from_bytes(data, *world(3, 2, 0)[:2])


def test_an_index_with_another_metric_is_refused():
    import faiss

    data = faiss.serialize_index(faiss.IndexFlatL2(3)).tobytes()
    with pytest.raises(BundleError, match="inner-product"):
        ItemIndex.from_bytes(data, *world(3, 2, 0)[:2])


@pytest.mark.parametrize("change", ["flat", "other width", "other length"])
def test_an_index_of_another_form_is_refused(change):
    import faiss

    vectors, popularity, _, _ = world(30, 3, 4)
    if change == "flat":
        index = faiss.IndexFlatIP(11)
        index.add(np.zeros((30, 11), np.float32))
        data, problem = faiss.serialize_index(index).tobytes(), "not an index of codes of four bits"
    elif change == "other width":
        data, problem = (
            build_index(vectors[:, :2], popularity).to_bytes(),
            "holds 30 x 10 values, expected 30 x 11",
        )
    else:
        data, problem = build_index(vectors[:9], popularity[:9]).to_bytes(), "holds 9 x 11 values"
    with pytest.raises(BundleError, match=problem):
        ItemIndex.from_bytes(data, vectors, popularity)


def test_an_index_of_other_vectors_is_refused():
    vectors, popularity, _, _ = world(30, 3, 4)
    for other in (
        build_index(vectors[::-1].copy(), popularity),
        build_index(vectors, popularity[::-1].copy()),
    ):
        with pytest.raises(BundleError, match="not over the published vectors"):
            ItemIndex.from_bytes(other.to_bytes(), vectors, popularity)


ITEMS, FACTORS, BRANDS = 4_000, 48, 60


def market(seed: int):
    """Heavy-tailed factors of co-purchase that fade, with noise; one brand each; Zipf's popularity."""
    random = rng(seed, "index-market")
    fading = 0.5 / np.sqrt(1.0 + np.arange(FACTORS))
    factors = random.standard_t(4, (ITEMS, FACTORS)) * fading + 0.05 * random.normal(size=(ITEMS, FACTORS))
    brand = np.eye(BRANDS)[random.integers(0, BRANDS, ITEMS)]
    popularity = -np.log(random.permutation(ITEMS) + 10.0).astype(np.float32)
    return np.hstack([factors, brand]).astype(np.float32), popularity, random


def customer(vectors, popularity, random):
    """A user vector: the sum of some popular items' factors with norm 1, and a taste for some brands."""
    chance = np.exp(popularity.astype(np.float64))
    own = random.choice(ITEMS, int(random.integers(1, 50)), replace=False, p=chance / chance.sum())
    factors = vectors[own, :FACTORS].sum(0) / np.sqrt(len(own))
    brands = 1.2 * np.log((vectors[own, FACTORS:].sum(0) + 1.0) / (len(own) / BRANDS + 1.0))
    return np.concatenate([factors, brands, [1.0]]).astype(np.float32)


@pytest.mark.parametrize("share", [1.0, 0.7, 0.02])
def test_a_thousand_customers_get_what_exact_search_finds(share):
    vectors, popularity, random = market(1)
    index, rows = build_index(vectors, popularity), with_popularity(vectors, popularity)
    allowed = None if share == 1.0 else random.random(ITEMS) < share
    wrong = 0
    for _ in range(1_000):
        query = customer(vectors, popularity, random)
        wanted = int(random.integers(1, 70))
        wrong += set(index.search(query, wanted, allowed)) != set(exact_search(rows, query, wanted, allowed))
    assert wrong == 0


class Counted:
    """FAISS's index, with how often it was asked and for how much."""

    def __init__(self, index):
        self.index, self.asked = index, []

    def __getattr__(self, name):
        return getattr(self.index, name)

    def search(self, query, wanted):
        self.asked.append(wanted)
        return self.index.search(query, wanted)


def test_few_candidates_are_scored_again():
    vectors, popularity, random = market(2)
    index = build_index(vectors, popularity)
    counted = Counted(index.faiss_index)
    spied = replace(index, faiss_index=counted)
    for _ in range(200):
        spied.search(customer(vectors, popularity, random), 20)
    assert np.mean(np.array(counted.asked) == 92) > 0.9
    assert len(counted.asked) < 210


def test_where_the_codes_are_too_coarse_more_candidates_are_taken():
    """Within one level of the only column that matters, the codes cannot tell items apart."""
    random = rng(0, "index-coarse")
    vectors = np.hstack([random.choice([-50.0, 50.0], (ITEMS, 1)), np.zeros((ITEMS, 3))]).astype(np.float32)
    vectors[:, 0] += random.normal(size=ITEMS).astype(np.float32)
    flat = np.full(ITEMS, -np.log(ITEMS), np.float32)
    index = build_index(vectors, flat)
    counted = Counted(index.faiss_index)
    query = np.array([1, 0, 0, 0, 1], np.float32)
    found = replace(index, faiss_index=counted).search(query, 200)
    assert found.tolist() == exact_search(with_popularity(vectors, flat), query, 200).tolist()
    even = np.zeros((ITEMS, 4), np.float32)
    counted.asked.clear()
    same = replace(build_index(even, flat), faiss_index=Counted(build_index(even, flat).faiss_index))
    assert same.search(query, 30).tolist() == list(range(30))
    assert same.faiss_index.asked == [122, 488]


def test_equal_items_come_in_the_order_of_their_ids():
    vectors, popularity, random = market(3)
    twins, same = np.tile(vectors[:50], (80, 1)), np.tile(popularity[:50], 80)
    query = customer(vectors, popularity, random)
    found = build_index(twins, same).search(query, 100)
    assert found.tolist() == exact_search(with_popularity(twins, same), query, 100).tolist()


def test_columns_of_few_values_are_held_exactly_and_the_others_nearly():
    vectors, popularity, _ = market(4)
    table = codes.levels(vectors, popularity)
    rows = np.concatenate(list(codes.decoded(vectors, popularity, table)))
    assert np.array_equal(rows[:, FACTORS : FACTORS + BRANDS], vectors[:, FACTORS:])
    error = rows[:, :FACTORS] - vectors[:, :FACTORS]
    share = error.var(0) / vectors[:, :FACTORS].var(0)
    assert share.mean() < 0.03
    assert share.max() < 0.1
    steps = rows[:, FACTORS + BRANDS :].sum(1) + popularity.min()
    assert np.abs(steps - popularity).max() < 0.005 * np.ptp(popularity)
