from __future__ import annotations

from dataclasses import replace

import numpy as np

from experiments.benchmarks.basket_statistics import repeat_share, split_last_basket, weekday_habit
from experiments.benchmarks.world_purchases import oracle_lift, pooled_purchases
from recsys.silos.simulator import World, WorldConfig


def test_a_chunk_does_not_depend_on_how_many_there_are_or_on_their_order(config: WorldConfig) -> None:
    alone = World(replace(config, persons=2 * config.chunk_persons)).chunk(1)
    other = World(replace(config, persons=5 * config.chunk_persons))
    list(other.chunks())
    again = other.chunk(1)
    for one, two in zip(alone.shopping, again.shopping, strict=True):
        assert np.array_equal(one.lines.item, two.lines.item)
        assert np.array_equal(one.lines.minute, two.lines.minute)
        assert np.array_equal(one.staples.cycle, two.staples.cycle)


def test_another_seed_is_another_world(config: WorldConfig) -> None:
    other = World(replace(config, seed=config.seed + 1))
    assert not np.array_equal(other.goods.prices, World(config).goods.prices)


def test_a_person_has_a_staple_in_one_silo_only(world: World) -> None:
    chunk = world.chunk(0)
    keys = [silo.members.rows[silo.staples.member] * 10_000 + silo.staples.item for silo in chunk.shopping]
    joined = np.concatenate(keys)
    assert len(joined) == len(np.unique(joined))


def test_staples_are_consumable_and_few_per_category(world: World) -> None:
    for silo in world.chunk(0).shopping:
        assert world.goods.consumable[silo.staples.item].all()
        group = silo.staples.member * 1_000 + world.goods.category[silo.staples.item]
        assert np.unique(group, return_counts=True)[1].max(initial=0) <= 2


def test_staples_are_bought_again_at_their_true_interval(world: World) -> None:
    ratios = []
    for chunk in world.chunks():
        for silo in chunk.shopping:
            bought, count = silo.restocking, np.bincount(silo.restocking.staple, minlength=len(silo.staples))
            first, last = np.full(len(count), 10_000), np.zeros(len(count), np.int64)
            np.minimum.at(first, bought.staple, bought.day)
            np.maximum.at(last, bought.staple, bought.day)
            often = count >= 4
            realised = (last[often] - first[often]) / (count[often] - 1)
            ratios.append(realised / silo.staples.interval[often])
    assert 0.85 < np.median(np.concatenate(ratios)) < 1.1


def test_staples_are_bought_only_while_the_habit_lives_and_the_next_purchase_lies_ahead(world: World) -> None:
    for silo in world.chunk(0).shopping:
        bought, staples = silo.restocking, silo.staples
        assert (bought.day >= staples.begins[bought.staple]).all()
        assert (bought.day < staples.ends[bought.staple]).all()
        assert (bought.day < world.config.days).all()
        assert (bought.next_day >= world.config.days).all()


def test_every_staple_purchase_is_a_line_of_that_customer_that_day(world: World) -> None:
    silo = world.chunk(0).shopping[0]
    lines = {
        (int(m), int(silo.trips.day[t]), int(i))
        for m, t, i, e in zip(
            silo.lines.member, silo.lines.trip, silo.lines.item, silo.lines.event, strict=True
        )
        if e == 2
    }
    bought = silo.restocking
    for staple, day in zip(bought.staple[:500], bought.day[:500], strict=True):
        assert (int(silo.staples.member[staple]), int(day), int(silo.staples.item[staple])) in lines


def test_purchases_repeat_follow_habits_and_follow_taste(world: World) -> None:
    purchases = pooled_purchases(world)
    assert 0.45 < repeat_share(purchases) < 0.70
    assert weekday_habit(purchases) > 0.3
    assert oracle_lift(world, split_last_basket(purchases)).lift > 1.3
    assert 45 < len(purchases) / world.config.persons < 110


def test_newcomers_and_leavers_shop_only_while_they_are_there(world: World) -> None:
    chunk = world.chunk(0)
    assert 0.03 < (chunk.people.first_day > 0).mean() < 0.25
    for silo in chunk.shopping:
        rows = silo.members.rows[silo.trips.member]
        assert (silo.trips.day >= chunk.people.first_day[rows]).all()
        assert (silo.trips.day < chunk.people.end_day[rows]).all()
