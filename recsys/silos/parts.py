"""A big Parquet file of interactions in checked parts: memory for one part, not for the file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from recsys.data.conform import conform
from recsys.data.contracts import CONTRACTS, Table
from recsys.data.unique import Distinct
from recsys.errors import DataContractError, Location
from recsys.silos.raw import scan_raw

ROWS = 1 << 20  # of a part
CONTRACT = CONTRACTS[Table.INTERACTIONS]


def worth_parting(path: Path) -> bool:
    """Whether a file is big, and its parts can be judged one by one: text may write times in two ways."""
    if path.suffix != ".parquet":
        return False
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException):
        return False  # reading it whole says what is wrong
    timed = schema.field("timestamp").type if "timestamp" in schema.names else pa.int64()
    return bool(rows > ROWS and (pt.is_timestamp(timed) or pt.is_date(timed) or pt.is_integer(timed)))


def checked_parts(path: Path, *, timezone: str, now: datetime) -> Iterator[pa.Table]:
    """The parts in order, each as `conform` makes it.

    Raises DataContractError in a part that breaks the contract (row numbers count from the part's first), and
    after the last part if ids may repeat or a column that must be whole has gaps.
    """
    ids, missing = Distinct(), dict[str, set[bool]]()
    for raw in scan_raw(path, CONTRACT.names, ROWS):
        rows = conform(Table.INTERACTIONS, raw, source=str(path), timezone=timezone, now=now, part=True)
        ids.add([rows["customer_id"], rows["event_id"]])
        for column in CONTRACT.columns:
            if column.complete:
                missing.setdefault(column.name, set()).add(bool(rows[column.name].null_count))
        yield rows
    if not ids.surely() or any(len(kinds) > 1 for kinds in missing.values()):
        raise DataContractError(
            Location(str(path)), "a repeated id, or a gap between parts", "read the file whole to see which"
        )
