from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.errors import DataContractError, OrderingError
from recsys.silos.base import Silo
from recsys.silos.check import check_silo, read_checked, read_sound
from recsys.silos.event_append import INSERT
from recsys.silos.events import to_row
from recsys.silos.files import FileSilo
from recsys.silos.online import Event, OnlineEventStore, with_online

WriteSilo = Callable[..., Path]
TIME = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineEventStore]:
    store = OnlineEventStore(tmp_path / "online.sqlite")
    yield store
    store.close()


def event(event_id: str, customer: str = "c2", item: str = "milk") -> Event:
    return Event(event_id, customer, item, "purchase", 1.0, TIME)


def test_online_rows_follow_the_silos_own_once(silo: FileSilo, store: OnlineEventStore) -> None:
    store.append([event("new"), event("e2")])
    merged = with_online(silo, store)
    assert isinstance(merged, Silo)
    assert merged.name == "north"
    assert merged.ordering is Ordering.TIMESTAMP
    assert merged.utc_offset_seconds == silo.utc_offset_seconds
    rows = merged.read(Table.INTERACTIONS)
    assert rows["event_id"].to_pylist() == ["e1", "e2", "e3", "new"]
    assert rows["customer_id"].to_pylist()[1] == "c2"
    assert merged.read(Table.ITEMS).num_rows == 2
    assert merged.read(Table.INTERACTIONS, TIME)["event_id"].to_pylist() == ["new"]
    assert check_silo(merged).rows["interactions"] == 4


def test_online_rows_about_what_is_gone_do_not_stop_training(silo: FileSilo, store: OnlineEventStore) -> None:
    store.append([event("a", customer="gone"), event("b", item="gone"), event("c")])
    rows = read_checked(with_online(silo, store)).interactions
    assert rows["event_id"].to_pylist() == ["e1", "e2", "e3", "c"]


def test_a_store_that_is_not_listed_does_not_stop_training(
    write_silo: WriteSilo, store: OnlineEventStore, now: datetime
) -> None:
    folder = write_silo("csv", {"stores": {"store_id": ["s1"]}})
    store.append([replace(event("a"), store_id="s1"), replace(event("b"), store_id="closed"), event("c")])
    merged = with_online(FileSilo("north", folder, now=now), store)
    rows = read_checked(merged).interactions
    assert rows["store_id"].to_pylist()[-3:] == ["s1", None, None]
    assert rows["event_id"].to_pylist()[-3:] == ["a", "b", "c"]


def test_a_silo_without_times_cannot_be_merged(
    write_silo: WriteSilo, store: OnlineEventStore, now: datetime
) -> None:
    folder = write_silo("csv", {"interactions": {"timestamp": None, "order_no": [1, 2, 3]}})
    with pytest.raises(OrderingError, match="silo 'north' is ordered by 'order_number'"):
        with_online(FileSilo("north", folder, now=now), store)


def test_an_online_event_is_its_customers_whoever_has_one_of_that_id(
    silo: FileSilo, store: OnlineEventStore
) -> None:
    store.append([event("e1", customer="c2"), event("e1", customer="c1"), event("e2", customer="c1")])
    rows = read_checked(with_online(silo, store)).interactions
    found = list(zip(rows["customer_id"].to_pylist(), rows["event_id"].to_pylist(), strict=True))
    assert found == [("c1", "e1"), ("c2", "e2"), ("c1", "e3"), ("c2", "e1"), ("c1", "e2")]


def test_a_stored_event_beyond_the_contract_is_set_aside_alone(
    silo: FileSilo, store: OnlineEventStore
) -> None:
    heavy = replace(event("b", customer="c1"), quantity=2e6)
    store.append([event("a")])
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(INSERT, to_row(heavy))  # as a program before the bound stored it
    store.append([event("c")])
    merged = with_online(silo, store)
    with pytest.raises(DataContractError):
        read_checked(merged)
    assert read_sound(merged).interactions["event_id"].to_pylist() == ["e1", "e2", "e3", "a", "c"]
