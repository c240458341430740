from __future__ import annotations

import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.contracts import CONTRACTS, Table
from recsys.errors import DataContractError, EventConflictError
from recsys.silos.event_append import INSERT, Appended
from recsys.silos.events import to_row
from recsys.silos.online import Event, OnlineEventStore

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def event(number: int, customer: str = "c1", at: datetime | None = None, **fields: object) -> Event:
    time = at or datetime(2024, 6, 1, tzinfo=UTC) + timedelta(minutes=number)
    base = Event(f"e{number}", customer, "milk", "purchase", 1.0, time)
    return replace(base, **fields)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineEventStore]:
    store = OnlineEventStore(tmp_path / "deep" / "online.sqlite", clock=lambda: NOW)
    yield store
    store.close()


def test_append_is_idempotent(store: OnlineEventStore) -> None:
    assert store.append([event(1), event(2)]) == Appended(2, 0)
    assert store.append([event(2), event(3), event(3)]) == Appended(1, 2)
    assert [found.event_id for found in store.events_of("c1")] == ["e1", "e2", "e3"]
    assert store.append([]) == Appended(0, 0)


def test_events_come_back_as_they_were(store: OnlineEventStore) -> None:
    zone = timezone(timedelta(hours=2))
    full = event(1, at=datetime(2024, 6, 1, 0, 0, 0, 123_456, tzinfo=zone), store_id="s1", price=2.5)
    store.append([full])
    (found,) = store.events_of("c1")
    assert found == full
    assert found.timestamp.utcoffset() == timedelta(0)
    before_1970 = event(2, "c2", at=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    store.append([before_1970])
    assert store.events_of("c2") == (before_1970,)


def refusals(appended: Appended) -> list[tuple[int, str]]:
    return [(one.position, str(one.error)) for one in appended.refused]


def test_one_id_with_other_content_is_refused_with_its_customers_events(store: OnlineEventStore) -> None:
    store.append([event(1)])
    appended = store.append([event(2), event(1, quantity=3.0)])
    assert appended[:2] == (0, 0)
    assert [type(one.error) for one in appended.refused] == [EventConflictError]
    ((position, why),) = refusals(appended)
    assert position == 1
    assert why.startswith("event 'e1' is stored with another quantity")
    assert "another price" in refusals(store.append([event(3), event(3, price=1.0)]))[0][1]
    assert [found.event_id for found in store.events_of("c1")] == ["e1"]


def test_an_id_of_two_customers_is_two_events(store: OnlineEventStore) -> None:
    assert store.append([event(1), event(1, "c2", quantity=2.0)]) == Appended(2, 0)
    assert store.append([event(1, "c2", quantity=2.0), event(1, "c3")]) == Appended(1, 1)
    assert [(one.event_id, one.quantity) for one in store.events_of("c2")] == [("e1", 2.0)]
    assert store.read()["customer_id"].to_pylist() == ["c1", "c2", "c3"]


def test_one_customers_fault_keeps_no_others_events_out(store: OnlineEventStore) -> None:
    store.append([event(1)])
    late = NOW + timedelta(minutes=6)
    batch = [event(2, "c2"), event(3), event(1, price=9.0), event(4, "c3", at=late), event(5, "c3")]
    batch += [event(6, "c2"), event(2, "c2")]
    appended = store.append(batch)
    assert appended[:2] == (2, 1)
    assert [position for position, _ in refusals(appended)] == [2, 3]
    kept = {customer: [one.event_id for one in store.events_of(customer)] for customer in ("c1", "c2", "c3")}
    assert kept == {"c1": ["e1"], "c2": ["e2", "e6"], "c3": []}


def test_the_future_is_refused_beyond_a_little_skew(store: OnlineEventStore) -> None:
    assert store.append([event(1, at=NOW + timedelta(minutes=5))]) == Appended(1, 0)
    appended = store.append([event(3), event(2, at=NOW + timedelta(minutes=6))])
    assert appended[:2] == (0, 0)
    assert [type(one.error) for one in appended.refused] == [DataContractError]
    assert re.match(r"event 'e2', column 'timestamp'.*future date", refusals(appended)[0][1])
    assert len(store.events_of("c1")) == 1
    assert store.read().num_rows == 1


def test_an_event_from_before_the_clock_was_set_back_keeps_nobody_from_being_read(
    store: OnlineEventStore,
) -> None:
    store.append([event(1), event(2, "c2", at=NOW)])
    behind = OnlineEventStore(store.path, clock=lambda: NOW - timedelta(days=1))
    assert behind.read()["customer_id"].to_pylist() == ["c1"]
    assert store.read().num_rows == 2
    behind.close()


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": ""},
        {"customer_id": " c1"},
        {"item_id": ""},
        {"event": "stare"},
        {"quantity": -1.0},
        {"quantity": float("nan")},
        {"price": float("inf")},
        {"quantity": 10**400},
        {"price": "dear"},
        {"event_id": "\ud800"},
        {"customer_id": "c\udfff"},
        {"item_id": "\ud83d"},
        {"store_id": "\udc00"},
        {"timestamp": datetime(2024, 1, 1)},
    ],
)
def test_events_meet_the_contract_or_are_not_made(change: dict[str, object]) -> None:
    with pytest.raises(DataContractError) as caught:
        event(1, **change)
    assert caught.value.location.column == next(iter(change))
    assert str(caught.value).encode()


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"quantity": 10**25}, "quantity"),
        ({"quantity": 1e6 + 1}, "quantity"),
        ({"at": datetime(1899, 12, 31, tzinfo=UTC)}, "timestamp"),
        ({"at": datetime(1, 1, 1, tzinfo=UTC)}, "timestamp"),
    ],
)
def test_what_the_contract_does_not_have_is_refused_for_its_own_customer(
    store: OnlineEventStore, change: dict[str, Any], column: str
) -> None:
    batch = [event(1, "b"), event(2, "a", **change), event(3, "c", price=10**25, quantity=2)]
    appended = store.append(batch)
    assert appended[:2] == (2, 0)
    assert [(one.position, one.error.location.column) for one in appended.refused] == [(1, column)]
    assert [len(store.events_of(customer)) for customer in "abc"] == [0, 1, 1]
    assert store.append(batch)[:2] == (0, 2)
    assert store.read()["price"].to_pylist() == [None, 1e25]


def test_events_of_an_older_program_beyond_the_contract_stay_readable(store: OnlineEventStore) -> None:
    old, heavy = event(1, "a", at=datetime(1, 1, 1, tzinfo=UTC)), event(2, "b", quantity=2e6)
    with sqlite3.connect(store.path) as connection:
        connection.executemany(INSERT, [to_row(old), to_row(heavy)])
    connection.close()
    store.append([event(3, "c")])
    assert (store.events_of("a"), store.events_of("b")) == ((old,), (heavy,))
    assert store.sift()["customer_id"].to_pylist() == ["c"]


def test_events_of_a_customer_are_in_order_of_time(store: OnlineEventStore) -> None:
    same = datetime(2024, 6, 1, tzinfo=UTC)
    store.append([event(5), event(1), event(3, "c2"), event(8, at=same), event(7, at=same)])
    assert [found.event_id for found in store.events_of("c1")] == ["e8", "e7", "e1", "e5"]
    assert store.events_of("nobody") == ()


def test_read_gives_contract_tables(store: OnlineEventStore) -> None:
    assert store.read().schema.equals(CONTRACTS[Table.INTERACTIONS].schema)
    store.append([event(2, event="dismiss", store_id="s1"), event(1, "c2", price=1.5)])
    rows = store.read()
    assert rows.schema.equals(CONTRACTS[Table.INTERACTIONS].schema)
    assert rows["event_id"].to_pylist() == ["e1", "e2"]
    assert rows["event"].to_pylist() == ["purchase", "dismiss"]
    assert rows["price"].to_pylist() == [1.5, None]
    assert store.read(event(2).timestamp)["event_id"].to_pylist() == ["e2"]


def test_erased_customers_leave_no_trace_in_the_files(store: OnlineEventStore) -> None:
    store.append([event(number, "somebody-secret") for number in range(50)] + [event(99, "c2")])
    assert store.erase("somebody-secret") == 50
    assert store.erase("somebody-secret") == 0
    assert store.events_of("somebody-secret") == ()
    assert len(store.events_of("c2")) == 1
    content = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    assert b"somebody-secret" not in content


def test_stored_events_outlive_the_process_and_are_private(store: OnlineEventStore) -> None:
    store.append([event(1)])
    again = OnlineEventStore(store.path)
    assert len(again.events_of("c1")) == 1
    assert again.append([event(1)]) == Appended(0, 1)
    again.close()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    connection = store._connect()
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    assert connection.execute("pragma synchronous").fetchone() == (2,)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("insert into events select 99, 'x', 'c', 'i', 'view', -1, 0, null, null")
    connection.close()


def test_many_threads_append_and_read(store: OnlineEventStore) -> None:
    accepted: list[int] = []

    def work(worker: int) -> None:
        for batch in range(5):
            shared, own = event(batch, "shared"), event(1000 + worker * 10 + batch, f"c{worker}")
            accepted.append(store.append([shared, own]).accepted)
            assert len(store.events_of(f"c{worker}")) == batch + 1

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(accepted) == 6 * 5 + 5
    assert store.read().num_rows == 35


@settings(max_examples=15, deadline=None)
@given(batches=st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6))
def test_any_replay_stores_each_event_once(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]
) -> None:
    store = OnlineEventStore(tmp_path_factory.mktemp("replay") / "online.sqlite")
    seen: set[int] = set()
    for batch in batches:
        new = len(set(batch) - seen)
        assert store.append([event(number) for number in batch]) == Appended(new, len(batch) - new)
        seen |= set(batch)
    assert [found.event_id for found in store.events_of("c1")] == [f"e{number}" for number in sorted(seen)]
    store.close()
