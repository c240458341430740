"""A silo of the simulated world, held in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.errors import ConfigError
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.world import World


@dataclass(frozen=True)
class SimulatedSilo:
    """A `Silo` whose five tables were generated instead of read. Its shops' clock shows UTC."""

    name: str
    tables: Mapping[Table, pa.Table]
    ordering: Ordering = Ordering.TIMESTAMP
    utc_offset_seconds: int = 0

    def read(self, table: Table, since: datetime | None = None) -> pa.Table:
        """A whole table, or the interactions at or after an aware time."""
        rows = self.tables[table]
        if since is None or table is not Table.INTERACTIONS:
            return rows
        if since.tzinfo is None:
            raise ConfigError(f"'since' is {since.isoformat()} without a time zone; give an aware time")
        return rows.filter(
            pc.greater_equal(rows["timestamp"], pa.scalar(since, pa.timestamp("us", tz="UTC")))
        )


def simulated_silos(config: WorldConfig) -> tuple[SimulatedSilo, ...]:
    """Every silo of the configured world in memory, in the configuration's order; small worlds only."""
    world = World(config)
    parts: list[list[dict[Table, pa.Table]]] = [[] for _ in world.places]
    for chunk in world.chunks():
        for place, found in zip(world.places, parts, strict=True):
            found.append(world.tables(chunk, place))
    return tuple(
        SimulatedSilo(place.name, MappingProxyType({**world.public_tables(place), **_concatenated(found)}))
        for place, found in zip(world.places, parts, strict=True)
    )


def _concatenated(parts: list[dict[Table, pa.Table]]) -> dict[Table, pa.Table]:
    return {table: pa.concat_tables([part[table] for part in parts]) for table in parts[0]}
