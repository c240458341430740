"""The online store's table, and files of an older table brought up to it in place."""

from __future__ import annotations

import sqlite3

SCHEMA = """
create table if not exists {table} (
    seq integer primary key,
    event_id text not null,
    customer_id text not null,
    item_id text not null,
    event text not null,
    quantity real not null check (quantity >= 0),
    timestamp integer not null,
    store_id text,
    price real,
    unique (customer_id, event_id)
)
"""
INDEX = "create index if not exists events_of_customer on events (customer_id, timestamp, seq)"
MIGRATION_MILLISECONDS = 600_000
"""How long a process waits for another one that copies a large old table."""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the table, or copy an older one whose event ids were unique over all customers.

    All of it is one transaction: a process that dies in it leaves the old table, and one that opens the file
    at the same time waits, sees the new table and has nothing to do. `connection` is in autocommit mode.
    Raises sqlite3.Error where the file cannot be written; then it is as it was.

    Guarantee: events are one another's concern within one customer alone. An id that two customers use names
    two events, so no row of one customer refuses, replaces or tells of one of another's.
    """
    (waits,) = connection.execute("pragma busy_timeout").fetchone()
    connection.execute(f"pragma busy_timeout = {MIGRATION_MILLISECONDS}")
    try:
        connection.execute("begin immediate")
        try:
            if _ids_are_unique_over_customers(connection):
                _copy(connection)
            connection.execute(SCHEMA.format(table="events"))
            connection.execute(INDEX)
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")
    finally:
        connection.execute(f"pragma busy_timeout = {int(waits)}")


def _ids_are_unique_over_customers(connection: sqlite3.Connection) -> bool:
    """Looked at inside the transaction, so of several processes one copies."""
    indexes = connection.execute(
        "select name from pragma_index_list('events') where \"unique\" = 1"
    ).fetchall()
    columns = [
        [name for (name,) in connection.execute("select name from pragma_index_info(?)", index)]
        for index in indexes
    ]
    return ["event_id"] in columns


def _copy(connection: sqlite3.Connection) -> None:
    """A constraint of a column cannot be dropped in SQLite: copy, drop, rename."""
    connection.execute(SCHEMA.format(table="events_by_customer"))
    connection.execute("insert into events_by_customer select * from events order by seq")
    connection.execute("drop table events")
    connection.execute("alter table events_by_customer rename to events")
