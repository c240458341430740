"""What a silo is: five tables that are read through the data contract."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol, runtime_checkable

import pyarrow as pa

from recsys.data.contracts import Table
from recsys.data.history import Ordering


@runtime_checkable
class Silo(Protocol):
    """A store group's or brand's own data; nothing that `read` returns may leave the silo.

    name:               public name
    ordering:           what the order of interactions is known from
    utc_offset_seconds: the shop's clock against UTC, so that "a day" is the shop's day
    """

    @property
    def name(self) -> str: ...

    @property
    def ordering(self) -> Ordering: ...

    @property
    def utc_offset_seconds(self) -> int: ...

    def read(self, table: Table, since: datetime | None = None) -> pa.Table:
        """A whole table, checked: the contract's schema, every column present, rows in the source's order.

        since: an aware time; only interactions at or after it (other tables come whole). Raises
        DataContractError at the first breach (nothing is half read), OrderingError if `since` is given and
        interactions have no timestamps.
        """
        ...


@runtime_checkable
class Scanned(Protocol):
    """What a silo adds that need not hold all of its interactions in memory at once."""

    def scan(self) -> Iterator[pa.Table]:
        """The interactions part by part, each checked; together the rows of `read` in the same order.

        Nothing may be used before the last part has come: only then are ids known to be unique. Raises
        DataContractError at a possible breach; `read` settles whether it is one, and names the row.
        """
        ...


@runtime_checkable
class Sifted(Protocol):
    """What a silo adds whose customers' rows may break the contract; one that is sound by making need not."""

    def sift(self, table: Table) -> pa.Table:
        """A table as `read` gives it, but rows of customers that break the contract are set aside, unsaid.

        Public tables (items, stores, stock) are those of `read`. Raises DataContractError for what is wrong
        with a file, a column or a public table; never for a customer's row.

        Guarantee: unit one customer, relation add or remove one: what is read of a customer depends on that
        customer's own rows and on public tables, columns and settings alone.
        """
        ...


def sifted(silo: Silo, table: Table) -> pa.Table:
    """`Sifted.sift` of a silo that has it, else `read`."""
    return silo.sift(table) if isinstance(silo, Sifted) else silo.read(table)
