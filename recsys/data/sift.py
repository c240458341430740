"""What training reads of customers' tables: rows that break the contract are set aside, one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.conform import read_columns
from recsys.data.contracts import Table
from recsys.data.judges import Sieve
from recsys.data.source import Source, named
from recsys.data.unique import repeated

PRIVATE = (Table.INTERACTIONS, Table.CUSTOMERS)
"""The tables whose rows are customers'; all others are public, and read as they are or not at all."""


def sift(
    table: Table,
    data: pa.Table,
    *,
    source: str,
    timezone: str = "UTC",
    now: datetime | None = None,
    ordered_by: str | None = None,
) -> pa.Table:
    """The rows of a `PRIVATE` table that keep the contract, in the source's order; perhaps none.

    source, timezone, now: as for `conform`, whose result this is where nothing breaks the contract.
    ordered_by: column that the order of interactions is known from; rows without a value are set aside.
    Of two rows of one customer and event id the first is kept. A customer who is listed twice, or in a row
    that breaks the contract, is not listed at all: nobody knows what that customer consented to. A person key
    that two customers share decides about neither (the operator's check names it; a person under two ids has
    the guarantee of a group of two, as the privacy statement says). Raises DataContractError for what is
    wrong with a whole column.

    Guarantee: unit one customer, relation add or remove one. Whether a row stays, and what is read from it,
    depends on that row, on other rows of the same customer and on public arguments alone.
    """
    sieve = Sieve(Source(source, data), ordered_by)
    rows = read_columns(table, sieve, timezone, now or datetime.now(UTC))
    kept = _listed_once(rows, sieve) if table is Table.CUSTOMERS else rows.filter(pa.array(sieve.kept))
    if table is Table.INTERACTIONS:
        kept = kept.filter(pa.array(~repeated([kept["customer_id"], kept["event_id"]])))
    return named(kept, source)


def _listed_once(customers: pa.Table, sieve: Sieve) -> pa.Table:
    ids = customers["customer_id"]
    doubtful = pa.array(~sieve.kept | repeated([ids]))
    unlisted = pc.is_in(ids, value_set=ids.filter(doubtful).combine_chunks())
    return customers.filter(pa.array(sieve.kept & ~np.asarray(unlisted.to_numpy(), np.bool_)))
