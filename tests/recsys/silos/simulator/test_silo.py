from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from recsys.data.conform import conform
from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.errors import ConfigError
from recsys.silos.base import Silo
from recsys.silos.simulator import SiloKind, SimulatedSilo, World, WorldConfig, simulated_silos

Silos = tuple[SimulatedSilo, ...]


def test_a_simulated_silo_is_a_silo_whose_tables_keep_the_contract(config: WorldConfig, silos: Silos) -> None:
    now = config.start + timedelta(days=config.days)
    for silo in silos:
        assert isinstance(silo, Silo)
        assert silo.ordering is Ordering.TIMESTAMP
        for table in Table:
            rows = silo.read(table)
            assert conform(table, rows, source=silo.name, timezone="UTC", now=now).equals(rows)


def test_the_same_configuration_gives_the_same_world(tiny: WorldConfig) -> None:
    for one, other in zip(simulated_silos(tiny), simulated_silos(tiny), strict=True):
        assert all(one.read(table).equals(other.read(table)) for table in Table)


def test_reading_since_a_time_leaves_older_events_out(silos: Silos, config: WorldConfig) -> None:
    since = datetime(2026, 5, 1, tzinfo=UTC)
    rows = silos[0].read(Table.INTERACTIONS, since)
    assert 0 < rows.num_rows < silos[0].read(Table.INTERACTIONS).num_rows
    assert pc.min(rows["timestamp"]).as_py() >= since
    assert silos[0].read(Table.CUSTOMERS, since).equals(silos[0].read(Table.CUSTOMERS))
    with pytest.raises(ConfigError, match="time zone"):
        silos[0].read(Table.INTERACTIONS, datetime(2026, 5, 1))


def test_persons_are_in_one_to_three_silos_with_ranks_without_gaps(silos: Silos, config: WorldConfig) -> None:
    customers = pa.concat_tables([silo.read(Table.CUSTOMERS) for silo in silos])
    ids = customers["customer_id"].to_pylist()
    assert len(ids) == len(set(ids))
    ranks: dict[str, list[int]] = {}
    for key, rank in zip(
        customers["person_key"].to_pylist(), customers["person_rank"].to_pylist(), strict=True
    ):
        assert (key is None) == (rank is None)
        if key is not None:
            ranks.setdefault(key, []).append(rank)
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in ranks.values())
    shares = np.bincount([len(found) for found in ranks.values()], minlength=4)[1:] / len(ranks)
    assert np.allclose(shares, config.memberships, atol=0.08)
    assert len(ranks) == pytest.approx(0.97 * config.persons, abs=15)


def test_consent_is_common_but_not_universal(silos: Silos) -> None:
    customers = pa.concat_tables([silo.read(Table.CUSTOMERS) for silo in silos])
    for name in ("consent_training", "consent_personalisation"):
        assert 0.92 < pc.mean(customers[name].cast(pa.int8())).as_py() < 0.995


def test_silos_sell_only_what_they_carry_and_brand_owners_only_their_brands(
    world: World, silos: Silos
) -> None:
    for place, silo in zip(world.places, silos, strict=True):
        carried = set(silo.read(Table.ITEMS)["item_id"].to_pylist())
        assert set(silo.read(Table.INTERACTIONS)["item_id"].to_pylist()) <= carried
        if place.spec.kind is SiloKind.BRAND_OWNER:
            others = np.setdiff1d(np.arange(len(world.goods)), place.shelf)
            assert not set(world.goods.brand[place.shelf]) & set(world.goods.brand[others])


def test_events_happen_within_opening_hours_and_the_window(silos: Silos, config: WorldConfig) -> None:
    end = config.start + timedelta(days=config.days)
    for silo in silos:
        rows, stores = silo.read(Table.INTERACTIONS), silo.read(Table.STORES).to_pylist()
        hours = {store["store_id"]: (store["opens"], store["closes"]) for store in stores}
        times = rows["timestamp"].to_pylist()
        assert config.start <= min(times)
        assert max(times) < end
        for time, store in zip(times, rows["store_id"].to_pylist(), strict=True):
            opens, closes = hours[store]
            assert opens <= f"{time:%H:%M}" < closes


def test_most_events_are_purchases_and_orders_are_one_trip(silos: Silos) -> None:
    rows = silos[0].read(Table.INTERACTIONS)
    events = rows["event"].to_pylist()
    share = events.count("purchase") / len(events)
    assert 0.85 < share < 0.96
    assert set(events) == {"purchase", "view", "cart", "rating", "return"}
    orders = rows.filter(pc.equal(rows["event"], "purchase")).group_by("order_id")
    found = orders.aggregate([("customer_id", "count_distinct"), ("timestamp", "count_distinct")])
    assert pc.max(found["customer_id_count_distinct"]).as_py() == 1
    assert pc.max(found["timestamp_count_distinct"]).as_py() == 1


def test_an_item_is_on_one_line_of_an_order(silos: Silos) -> None:
    rows = silos[0].read(Table.INTERACTIONS)
    bought = rows.filter(pc.equal(rows["event"], "purchase"))
    lines = bought.group_by(["order_id", "item_id"]).aggregate([("quantity", "count")])
    assert lines.num_rows == bought.num_rows


def test_returns_and_ratings_follow_a_purchase_of_the_item(silos: Silos) -> None:
    rows = silos[0].read(Table.INTERACTIONS).to_pylist()
    bought: set[tuple[str, str]] = set()
    for row in sorted(rows, key=lambda row: row["timestamp"]):
        pair = (row["customer_id"], row["item_id"])
        if row["event"] == "purchase":
            bought.add(pair)
        if row["event"] in {"rating", "return"}:
            assert pair in bought


def test_one_person_makes_a_world(tiny: WorldConfig) -> None:
    alone = simulated_silos(replace(tiny, persons=1))
    assert 1 <= sum(silo.read(Table.CUSTOMERS).num_rows for silo in alone) <= 3
