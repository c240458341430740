from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.data.history import EventType
from recsys.errors import ConfigError
from recsys.silos.simulator import World, WorldConfig
from recsys.silos.simulator.follow_ups import PlantedFollowUp
from recsys.silos.simulator.lexicon import CATEGORIES
from recsys.silos.simulator.shopping import Shopping

RULE = PlantedFollowUp("kitchenware", "stationery", 20, 30, 0.5)
NAMES = [category.name for category in CATEGORIES]


@pytest.fixture(name="planted", scope="module")
def _planted() -> WorldConfig:
    return replace(WorldConfig.disjoint(1, persons=4_000, n_items=240), follow_ups=(RULE,))


def bought(world: World, shopping: Shopping, category: str) -> tuple[np.ndarray, np.ndarray]:
    """Members and days, oldest first within a member."""
    lines = shopping.lines
    rows = (lines.event == EventType.PURCHASE.code) & (
        world.goods.category[lines.item] == NAMES.index(category)
    )
    return lines.member[rows], shopping.trips.day[lines.trip[rows]]


def test_a_world_without_them_is_the_frozen_one(planted: WorldConfig) -> None:
    frozen = replace(planted, follow_ups=())
    with_, without = (World(config).chunk(0).shopping[0] for config in (planted, frozen))
    assert len(with_.lines) > len(without.lines)
    more = set(zip(with_.lines.trip.tolist(), with_.lines.item.tolist(), strict=True))
    assert set(zip(without.lines.trip.tolist(), without.lines.item.tolist(), strict=True)) < more
    assert np.array_equal(with_.restocking.next_day, without.restocking.next_day)


def test_about_as_many_follow_as_the_chance_says_on_the_next_trip(planted: WorldConfig) -> None:
    world = World(planted)
    shopping = world.chunk(0).shopping[0]
    members, days = bought(world, shopping, RULE.first)
    first, place = np.unique(members, return_index=True)
    early = days[place] < 100  # most still come for the second
    others, second = bought(world, shopping, RULE.second)
    followed = [
        bool(((second[others == member] - day) >= RULE.after_days).any())
        for member, day in zip(first[early], days[place][early], strict=True)
    ]
    assert len(followed) > 50
    assert 0.3 < np.mean(followed) < 0.8


def test_the_same_configuration_makes_the_same_world(planted: WorldConfig) -> None:
    one, two = (World(planted).chunk(0).shopping[0].lines for _ in range(2))
    assert np.array_equal(one.item, two.item)
    assert np.array_equal(one.trip, two.trip)
    keys = one.trip * 10_000 + one.item
    own = one.event == EventType.PURCHASE.code
    assert len(np.unique(keys[own])) == own.sum()


@pytest.mark.parametrize(
    "wrong",
    [{"after_days": 0}, {"until_days": 5}, {"chance": 1.5}, {"chance": float("nan")}, {"second": "lids"}],
)
def test_an_impossible_need_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="follow-up kitchenware ->"):
        replace(RULE, **wrong)
