from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recsys.silos.event_append import Appended
from recsys.silos.event_store import OnlineEventStore
from tests.recsys.silos.test_event_store import NOW, event

OLD_SCHEMA = """
create table if not exists events (
    seq integer primary key,
    event_id text not null unique,
    customer_id text not null,
    item_id text not null,
    event text not null,
    quantity real not null check (quantity >= 0),
    timestamp integer not null,
    store_id text,
    price real
);
create index if not exists events_of_customer on events (customer_id, timestamp, seq);
"""
OLD_ROWS = 2_000
SEQ = "select seq, event_id, customer_id, quantity, timestamp, store_id, price from events order by seq"


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """As the store wrote it when an event's id was unique over all customers; with a gap in its numbers."""
    path = tmp_path / "online.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.executescript(OLD_SCHEMA)
    rows = [(f"e{n}", f"c{n % 7}", float(n % 3), 1_700_000_000_000_000 + n) for n in range(OLD_ROWS)]
    connection.execute("begin")
    connection.executemany(
        "insert into events (event_id, customer_id, item_id, event, quantity, timestamp, store_id, price) "
        "values (?, ?, 'milk', 'purchase', ?, ?, 's1', 1.5)",
        rows,
    )
    connection.execute("delete from events where event_id = 'e5'")
    connection.execute("commit")
    connection.close()
    return path


@pytest.fixture
def opened() -> Iterator[Callable[[Path], OnlineEventStore]]:
    stores = list[OnlineEventStore]()

    def open_store(path: Path) -> OnlineEventStore:
        stores.append(OnlineEventStore(path, clock=lambda: NOW))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def rows_of(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(SEQ).fetchall()
    connection.close()
    return found


def test_an_old_file_keeps_its_rows_and_takes_an_id_from_each_customer(
    old_file: Path, opened: Callable[[Path], OnlineEventStore]
) -> None:
    before = rows_of(old_file)
    store = opened(old_file)
    assert rows_of(old_file) == before
    assert len(before) == OLD_ROWS - 1
    assert store.append([event(0, "c1"), event(0, "somebody"), event(5, "c5")]) == Appended(3, 0)
    (refused,) = store.append([event(0, "c0", quantity=8.0)]).refused
    assert "event 'e0' is stored with another quantity" in str(refused.error)
    assert store.read().num_rows == OLD_ROWS + 2
    assert rows_of(opened(old_file).path)[: len(before)] == before


def test_the_file_refuses_one_id_twice_from_one_customer(
    old_file: Path, opened: Callable[[Path], OnlineEventStore]
) -> None:
    opened(old_file)
    connection = sqlite3.connect(old_file)
    with pytest.raises(sqlite3.IntegrityError, match=r"events.customer_id, events.event_id"):
        connection.execute("insert into events select 9999, 'e0', 'c0', 'milk', 'view', 1, 0, null, null")
    names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    connection.close()
    assert names == [("events",)]


def test_several_processes_open_an_old_file_at_once(old_file: Path) -> None:
    before = rows_of(old_file)
    work = (
        "import sys; from recsys.silos.event_store import OnlineEventStore; sys.stdin.readline(); "
        "store = OnlineEventStore(sys.argv[1]); print(store.read().num_rows); store.close()"
    )
    command = [sys.executable, "-c", work, str(old_file)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0].strip() for process in processes]
    assert said == [str(OLD_ROWS - 1)] * 3
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert rows_of(old_file) == before


def test_an_interrupted_copy_leaves_the_old_file_and_is_made_good(
    old_file: Path, opened: Callable[[Path], OnlineEventStore]
) -> None:
    before = rows_of(old_file)
    hindered = sqlite3.connect(old_file, isolation_level=None)
    hindered.execute("create view events_by_customer as select 1")
    with pytest.raises(sqlite3.OperationalError):
        opened(old_file)
    assert rows_of(old_file) == before
    indexes = hindered.execute("select name from pragma_index_list('events')").fetchall()
    assert ("events_of_customer",) in indexes
    hindered.execute("drop view events_by_customer")
    hindered.close()
    assert opened(old_file).append([event(0, "c1")]) == Appended(1, 0)
    assert rows_of(old_file)[:-1] == before
