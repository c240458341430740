from starlette.testclient import TestClient

from tests.recsys.bundle_builder import group_of
from tests.serving.builder import SOLD, SOLD_OUT, item


def test_similar_items_are_of_one_kind_and_for_sale_here(client: TestClient) -> None:
    answer = client.get(f"/v1/items/{item(4)}/similar?k=6").json()
    found = [int(one["item_id"][-3:]) for one in answer["similar"]]
    assert answer["item"]["item_id"] == item(4)
    assert len(found) == 6
    assert {group_of(number) for number in found} == {4}
    assert all(number < SOLD for number in found)
    similarities = [one["similarity"] for one in answer["similar"]]
    assert similarities == sorted(similarities, reverse=True)
    assert {one["reason"]["kind"] for one in answer["similar"]} <= {"taste", "goes_with"}


def test_similar_items_end_where_the_assortment_ends(client: TestClient) -> None:
    answer = client.get(f"/v1/items/{item(0)}/similar?k=100").json()
    found = {one["item_id"] for one in answer["similar"]}
    assert found == {item(number) for number in range(1, SOLD)} - {item(SOLD_OUT)}
    assert answer["privacy_statement_id"] == "test"


def test_an_item_that_is_not_sold_here_still_has_similar_ones(client: TestClient) -> None:
    answer = client.get(f"/v1/items/{item(59)}/similar").json()
    assert len(answer["similar"]) == 10
