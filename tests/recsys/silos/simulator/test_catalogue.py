from __future__ import annotations

from dataclasses import replace

import numpy as np

from recsys.data.vocab import Catalogue
from recsys.silos.simulator import SiloKind, World, WorldConfig, make_catalogue
from recsys.silos.simulator.lexicon import BRANDS, CATEGORIES, SEGMENTS


def test_the_catalogue_has_the_asked_size_and_is_in_vocabulary_order(world: World) -> None:
    catalogue = Catalogue.from_table(world.goods.table)
    assert len(catalogue) == len(world.goods) == 600
    assert list(catalogue.item_ids) == world.goods.table["item_id"].to_pylist()
    assert len(set(catalogue.titles)) == 600
    assert (catalogue.prices > 0).all()


def test_every_category_has_items_and_brands_span_few_categories() -> None:
    goods = make_catalogue(WorldConfig())
    assert set(goods.category) == set(range(len(CATEGORIES)))
    spans = [len(set(goods.category[goods.brand == brand])) for brand in set(goods.brand)]
    assert 2 <= np.mean(spans) <= 6
    assert len(spans) > 0.9 * len(BRANDS)


def test_a_category_has_more_items_than_combinations_when_asked(config: WorldConfig) -> None:
    goods = make_catalogue(replace(config, n_items=12_000))
    titles = goods.table["title"].to_pylist()
    assert len(goods) == len(set(titles)) == 12_000
    assert any(" No. 2," in title for title in titles)


def test_bigger_packs_last_longer_and_cost_more(world: World) -> None:
    goods = world.goods
    sizes = goods.table["pack_size"].to_numpy()
    for category in range(len(CATEGORIES)):
        mine = goods.category == category
        if len(set(sizes[mine])) > 1:
            assert np.corrcoef(np.log(sizes[mine]), goods.cycle_days[mine])[0, 1] > 0.8
            small, big = sizes[mine] == sizes[mine].min(), sizes[mine] == sizes[mine].max()
            assert goods.prices[mine][small].mean() < goods.prices[mine][big].mean()


def test_store_groups_carry_a_part_and_share_the_leaders(world: World) -> None:
    groups = [place for place in world.places if place.spec.kind is SiloKind.STORE_GROUP]
    leaders = np.argsort(-world.goods.attractiveness)[:50]
    for place in groups:
        assert 0.6 < len(place.shelf) / len(world.goods) < 0.8
        assert np.isin(leaders, place.shelf).all()
    assert set(np.concatenate([place.shelf for place in groups])) == set(range(len(world.goods)))


def test_brand_owners_carry_all_items_of_brands_of_their_own() -> None:
    world = World(WorldConfig())
    owners = [place for place in world.places if place.spec.kind is SiloKind.BRAND_OWNER]
    brands = [set(world.goods.brand[place.shelf]) for place in owners]
    assert not set.intersection(*brands)
    for place, mine in zip(owners, brands, strict=True):
        assert 0.13 < len(place.shelf) / len(world.goods) < 0.25
        assert set(np.flatnonzero(np.isin(world.goods.brand, list(mine)))) == set(place.shelf)


def test_segments_name_categories_that_exist() -> None:
    names = {category.name for category in CATEGORIES}
    assert all(set(segment.demand) <= names for segment in SEGMENTS)
