from __future__ import annotations

from dataclasses import fields, replace
from datetime import date

import numpy as np
import pytest

from recsys.errors import ConfigError
from recsys.silos.simulator import SimulatedSilo, World, WorldConfig, registered_customers


def test_the_window_ends_on_the_last_day_and_covers_whole_weeks(config: WorldConfig) -> None:
    assert config.days == 182
    assert config.first_day == date(2025, 12, 29)
    assert config.first_day.weekday() == 0


def test_chunks_cover_all_persons(config: WorldConfig) -> None:
    assert config.chunks == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"persons": 0}, "persons is 0"),
        ({"n_items": 10}, "n_items is 10"),
        ({"memberships": (0.5, 0.5)}, "memberships"),
        ({"memberships": (0.5, 0.4, 0.4)}, "sum 1"),
        ({"silos": WorldConfig().silos[:2]}, "2 silos"),
    ],
)
def test_an_impossible_world_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(WorldConfig(), **change)


def test_registration_comes_from_the_configuration_and_covers_the_generated_customers(
    config: WorldConfig, silos: tuple[SimulatedSilo, ...]
) -> None:
    registered = registered_customers(config)
    assert registered == registered_customers(replace(config, seed=99))
    for silo in silos:
        found = silo.read("customers").num_rows
        assert found <= registered[silo.name] <= found + 8 * found**0.5 + 20


def test_registration_adds_up_to_the_expected_memberships() -> None:
    config = WorldConfig(persons=1_000_000)
    expected = 1_000_000 * (0.55 + 2 * 0.33 + 3 * 0.12)
    assert sum(registered_customers(config).values()) == pytest.approx(expected, rel=0.01)


def test_a_disjoint_world_has_every_person_in_one_silo_and_shops_alike(config: WorldConfig) -> None:
    made = WorldConfig.disjoint(4, persons=2 * config.chunk_persons, n_items=config.n_items)
    frozen = {f.name: getattr(WorldConfig(), f.name) for f in fields(WorldConfig)}
    placed = ("persons", "n_items", "silos", "memberships", "max_silos_per_person")
    assert {n for n, value in frozen.items() if getattr(made, n) != value} == set(placed)
    chunk = World(replace(made, chunk_persons=config.chunk_persons)).chunk(0)
    rows = np.concatenate([silo.members.rows for silo in chunk.shopping])
    assert np.array_equal(np.sort(rows), np.arange(len(chunk.people)))
    assert all((silo.members.share == 1.0).all() for silo in chunk.shopping)
    registered = registered_customers(made)
    assert list(registered) == ["group-1", "group-2", "group-3", "group-4"]
    assert made.persons <= sum(registered.values())
    assert sorted(registered.values(), reverse=True) == list(registered.values())
