"""A silo that is a folder of Parquet or CSV files, read through DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.conform import conform
from recsys.data.contracts import CONTRACTS, Table, empty
from recsys.data.history import Ordering
from recsys.data.sift import PRIVATE, sift
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, DataContractError, Location, OrderingError
from recsys.silos.parts import checked_parts, worth_parting
from recsys.silos.raw import column_names, read_raw
from recsys.silos.rows import sift_raw

ENDINGS = (".parquet", ".csv")
ORDER_COLUMNS = {Ordering.TIMESTAMP: "timestamp", Ordering.ORDER_NUMBER: "order_no"}


@dataclass(frozen=True)
class FileSilo:
    """A folder with `<table>.parquet` or `<table>.csv` for each table; stores and stock may be absent.

    timezone:          IANA name; naive times are in it, and the shop's day is its standard time
    declared_ordering: what interactions are ordered by; when None, found from the columns that the file has,
                       never from what customers have in them: the ordering is told to everybody
    now:               aware; later times are errors; the clock at each read when None
    """

    name: str
    folder: Path
    timezone: str = "UTC"
    declared_ordering: Ordering | None = None
    now: datetime | None = None

    @property
    def utc_offset_seconds(self) -> int:
        """Standard time against UTC: one constant, so that every shop day has 24 hours."""
        winter = datetime(2024, 1, 1, tzinfo=ZoneInfo(self.timezone))
        offset, summer = winter.utcoffset(), winter.dst()
        return int((offset - summer).total_seconds()) if offset is not None and summer is not None else 0

    @property
    def ordering(self) -> Ordering:
        """What the order of interactions is known from."""
        if self.declared_ordering is not None:
            return self.declared_ordering
        path = self._path(Table.INTERACTIONS)
        for ordering, column in ORDER_COLUMNS.items():
            if path is not None and column in column_names(path):
                return ordering
        return Ordering.NONE

    def read(self, table: Table, since: datetime | None = None) -> pa.Table:
        """A whole checked table (see `Silo.read`); an optional table without a file is empty."""
        path = self._path(table)
        if path is None:
            return self._missing(table)
        rows = read_table(path, table, timezone=self.timezone, now=self.now)
        if table is Table.INTERACTIONS:
            self._require_order(path, rows)
            return newer(rows, since)
        return rows

    def sift(self, table: Table) -> pa.Table:
        """A table without the customers' rows that break the contract (see `Sifted.sift`)."""
        path = self._path(table)
        if path is None or table not in PRIVATE:
            return self.read(table)
        ordered_by = ORDER_COLUMNS.get(self.ordering) if table is Table.INTERACTIONS else None
        if ordered_by is not None and ordered_by not in column_names(path):
            raise self._unordered(path, ordered_by)
        return sift(
            table,
            sift_raw(path, CONTRACTS[table].names),
            source=str(path),
            timezone=self.timezone,
            now=self.now,
            ordered_by=ordered_by,
        )

    def scan(self) -> Iterator[pa.Table]:
        """The interactions part by part (see `Scanned.scan`); a small file, and CSV, is one part."""
        path = self._path(Table.INTERACTIONS)
        if path is None or not worth_parting(path):
            yield self.read(Table.INTERACTIONS)
            return
        for rows in checked_parts(path, timezone=self.timezone, now=self.now or datetime.now(UTC)):
            self._require_order(path, rows)
            yield rows

    def _path(self, table: Table) -> Path | None:
        found = [path for ending in ENDINGS if (path := self.folder / f"{table}{ending}").is_file()]
        if len(found) > 1:
            raise DataContractError(
                Location(str(found[1])), f"{found[0].name} is there too", "remove one of the two"
            )
        return found[0] if found else None

    def _missing(self, table: Table) -> pa.Table:
        if CONTRACTS[table].required:
            file = self.folder / f"{table}.parquet"
            raise DataContractError(
                Location(str(file)), "no such file (nor .csv)", f"export the {table} table"
            )
        return empty(table)

    def _require_order(self, path: Path, rows: pa.Table) -> None:
        column = ORDER_COLUMNS.get(self.ordering)
        if column is not None and rows[column].null_count:
            raise self._unordered(path, column)

    def _unordered(self, path: Path, column: str) -> DataContractError:
        return DataContractError(
            Location(str(path), column=column),
            f"no values, but the silo's ordering is '{self.ordering}'",
            "fill the column, or set another 'ordering' in silo.toml",
        )


def read_table(path: Path, table: Table, *, timezone: str = "UTC", now: datetime | None = None) -> pa.Table:
    """One file as a checked table; DataContractError names the file, row, column and value."""
    raw = read_raw(path, CONTRACTS[table].names, by_line=table in PRIVATE)
    if raw.num_rows == 0:
        raise DataContractError(
            Location(str(path)), "empty file: a header without rows", "export the table again"
        )
    return conform(table, raw, source=str(path), timezone=timezone, now=now or datetime.now(UTC))


def read_catalogue(path: Path) -> Catalogue:
    """The public catalogue from a Parquet or CSV items file, checked."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such catalogue; give the path of a Parquet or CSV file")
    return Catalogue.from_table(read_table(path, Table.ITEMS))


def newer(interactions: pa.Table, since: datetime | None) -> pa.Table:
    """Only interactions at or after an aware time; OrderingError where they have none."""
    if since is None:
        return interactions
    if since.tzinfo is None:
        raise ConfigError(f"since = {since.isoformat()} has no time zone; give an aware time")
    if interactions["timestamp"].null_count:
        raise OrderingError("interactions without timestamps cannot be read since a time; read them all")
    return interactions.filter(pc.greater_equal(interactions["timestamp"], pa.scalar(since)))
