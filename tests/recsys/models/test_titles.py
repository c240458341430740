import numpy as np
import pytest

from recsys.models.titles import title_vectors

TITLES = ("Red lunch bag", "BLUE LUNCH-BAG", "red Candle", "blue candle", "", "unheard-of")


def test_items_are_near_where_their_titles_share_words():
    vectors = title_vectors(TITLES, 3)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > 0 > likeness[0, 3]
    assert likeness[0, 1] == pytest.approx(likeness[1, 0])
    assert likeness[2, 3] > likeness[1, 2]


def test_an_item_without_words_of_others_is_near_nothing():
    vectors = title_vectors(TITLES, 3)
    assert not vectors[4:].any()
    np.testing.assert_allclose(vectors.sum(axis=0), 0.0, atol=1e-5)


def test_rare_words_weigh_more_than_common_ones():
    titles = (
        "set of mugs",
        "set of lamps",
        "owl mugs",
        "owl lamps",
        "set of owl",
        "set of bowls",
        "set of cups",
    )
    vectors = title_vectors(titles, 5)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[5]


def test_the_same_titles_give_the_same_vectors():
    np.testing.assert_array_equal(title_vectors(TITLES, 2), title_vectors(TITLES, 2))


def test_numbers_near_each_other_are_alike():
    ids = ("22001A", "22002", "22009", "35000", "35001", "POST")
    vectors = title_vectors(("",) * 6, 4, ids=ids, numbers=0.5)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > likeness[0, 2] > likeness[0, 3]
    assert likeness[3, 4] > 0
    assert not vectors[5].any()


def test_few_columns_tell_apart_what_is_bought():
    titles = ("red mug", "red cup", "red jar", "owl lamp", "owl clock", "tin box", "tin tray")
    bought = np.array([0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0])
    plain = title_vectors(titles, 1)
    popular = title_vectors(titles, 1, popularity=bought)
    assert plain[3] == pytest.approx(plain[5], abs=1e-6)
    assert abs(popular[3] - popular[5]) > 0.5
    assert popular[0] == pytest.approx(popular[5], abs=1e-6)


@pytest.mark.parametrize("titles", [(), ("",) * 4, ("alone", "lonely"), ("tea", "tea", "tea")])
def test_nothing_in_common_is_no_column(titles):
    assert title_vectors(titles, 8).shape == (len(titles), 0)
