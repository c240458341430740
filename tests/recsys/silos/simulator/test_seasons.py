from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.data.history import EventType
from recsys.errors import ConfigError
from recsys.silos.simulator import World, WorldConfig
from recsys.silos.simulator.lexicon import CATEGORIES
from recsys.silos.simulator.seasons import MONTHS, PlantedSeason, Seasons

RULE = PlantedSeason("milk", 5, 0.8)
NAMES = [category.name for category in CATEGORIES]
MILK, BREAD = NAMES.index("milk"), NAMES.index("bread")


@pytest.fixture(name="frozen", scope="module")
def _frozen() -> WorldConfig:
    return replace(WorldConfig.disjoint(1, persons=1_500, n_items=240), weeks=52, trips=38.0)


def by_month(world: World, category: int) -> np.ndarray:
    """Purchases of a category by day of the calendar's months, over the mean."""
    config, (shopping,) = world.config, world.chunk(0).shopping
    lines = shopping.lines
    kept = (lines.event == EventType.PURCHASE.code) & (world.goods.category[lines.item] == category)
    first = np.datetime64(config.first_day, "D")
    months = (first + np.arange(config.days)).astype("M8[M]").astype(np.int64) % MONTHS
    counts = np.bincount(months[shopping.trips.day[lines.trip[kept]]], minlength=MONTHS)
    return counts / np.bincount(months, minlength=MONTHS) / (len(np.flatnonzero(kept)) / config.days)


def test_a_world_without_any_is_the_frozen_one_whatever_they_are_multiplied_with(frozen: WorldConfig) -> None:
    assert frozen.seasons == ()
    assert Seasons.of(frozen, World(frozen).goods) is None
    none = replace(frozen, seasons=(PlantedSeason("milk", 5, 0.0),))
    plain, even = (World(config).chunk(0).shopping[0] for config in (frozen, none))
    assert np.array_equal(plain.trips.day, even.trips.day)
    assert np.array_equal(plain.staples.item, even.staples.item)
    assert np.array_equal(plain.restocking.day, even.restocking.day)


def test_a_category_is_bought_more_in_its_months_and_others_as_before(frozen: WorldConfig) -> None:
    world = World(replace(frozen, seasons=(RULE,)))
    truth = RULE.factors(np.arange(MONTHS) + 0.5)
    found = by_month(world, MILK)
    assert np.corrcoef(found, truth)[0, 1] > 0.9
    assert found.max() > 1.3
    assert np.abs(by_month(world, BREAD) - by_month(World(frozen), BREAD)).max() < 0.1


def test_factors_are_1_over_the_year_and_highest_in_the_middle_of_their_month() -> None:
    positions = np.linspace(0.0, MONTHS, 1200, endpoint=False)
    factors = RULE.factors(positions)
    assert factors.mean() == pytest.approx(1.0)
    assert positions[factors.argmax()] == pytest.approx(4.5, abs=0.02)
    assert np.log(factors.max() / factors.min()) == pytest.approx(1.6, abs=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"peak": 0}, {"peak": 13}, {"strength": -0.1}, {"strength": float("nan")}, {"category": "lids"}]
)
def test_an_impossible_season_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="season of"):
        replace(RULE, **wrong)
