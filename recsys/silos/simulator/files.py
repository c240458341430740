"""The simulated world as a folder that any command can train and serve on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.data.contracts import CONTRACTS, Table
from recsys.errors import ConfigError
from recsys.silos.simulator.config import WorldConfig, registered_customers
from recsys.silos.simulator.places import Place
from recsys.silos.simulator.truth import (
    CUSTOMERS_SCHEMA,
    PERSONS_SCHEMA,
    STAPLES_SCHEMA,
    customers_truth,
    persons_truth,
    staples_truth,
)
from recsys.silos.simulator.world import Chunk, World

EPSILON_CAP = 8.0
DELTA = 1e-6

DISJOINT_RULE = "each person is a customer of one store group alone"

Progress = Callable[[int, int], None]
"""Called with the number of persons written and of persons in all."""


def write_world(config: WorldConfig, folder: Path | str, progress: Progress | None = None) -> Path:
    """Write catalogue.parquet, silos/<name>/ (tables, silo.toml), truth/, and last of all federation.toml.

    Memory holds one chunk of persons at a time. Returns the path of federation.toml; a folder without that
    file was not written to its end. Raises ConfigError if the folder already holds a world.
    """
    root, world = Path(folder), World(config)
    federation = root / "federation.toml"
    if federation.exists():
        raise ConfigError(f"{federation}: a world is already here; remove it or give another folder")
    root.mkdir(parents=True, exist_ok=True)
    _write(world.goods.table.cast(CONTRACTS[Table.ITEMS].schema), root / "catalogue.parquet")
    for place in world.places:
        _write_public(world, place, root / "silos" / place.name)
    with ExitStack() as stack:
        sink = _Sink(stack, root, world)
        for chunk in world.chunks():
            sink.write(chunk)
            if progress is not None:
                progress(int(chunk.people.index[-1]) + 1, config.persons)
    federation.write_text(_federation_toml(config), encoding="utf-8")
    return federation


class _Sink:
    """The open Parquet files of a world."""

    def __init__(self, stack: ExitStack, root: Path, world: World) -> None:
        (root / "truth").mkdir(exist_ok=True)
        private = (Table.CUSTOMERS, Table.INTERACTIONS)
        self._world = world
        self._silos = {
            (place.name, table): stack.enter_context(
                _writer(root / "silos" / place.name / f"{table}.parquet", CONTRACTS[table].schema)
            )
            for place in world.places
            for table in private
        }
        schemas = {"persons": PERSONS_SCHEMA, "customers": CUSTOMERS_SCHEMA, "staples": STAPLES_SCHEMA}
        self._truth = {
            name: stack.enter_context(_writer(root / "truth" / f"{name}.parquet", schema))
            for name, schema in schemas.items()
        }

    def write(self, chunk: Chunk) -> None:
        """Append one chunk to every file."""
        config, goods, people = self._world.config, self._world.goods, chunk.people
        self._truth["persons"].write_table(persons_truth(config, people))
        for place, shopping in zip(self._world.places, chunk.shopping, strict=True):
            for table, rows in self._world.tables(chunk, place).items():
                self._silos[place.name, table].write_table(rows)
            self._truth["customers"].write_table(customers_truth(config, people, shopping))
            self._truth["staples"].write_table(staples_truth(config, goods, people, shopping))


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd")


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")


def _write_public(world: World, place: Place, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for table, rows in world.public_tables(place).items():
        _write(rows, folder / f"{table}.parquet")
    registered = registered_customers(world.config)[place.name]
    settings = {
        "name": place.name,
        "folder": ".",
        "timezone": "UTC",
        "ordering": "timestamp",
        "registered_customers": registered,
        "epsilon_cap": EPSILON_CAP,
        "delta": min(DELTA, 0.5 / registered),
        "online": "online.sqlite",
        "ledger": "ledger.sqlite",
        "data_until": world.config.end.isoformat(),
    }
    (folder / "silo.toml").write_text(_toml(settings), encoding="utf-8")


def _federation_toml(config: WorldConfig) -> str:
    silos = [f"silos/{spec.name}/silo.toml" for spec in config.silos]
    settings = {
        "catalogue": "catalogue.parquet",
        "silos": silos,
        "max_silos_per_person": config.max_silos_per_person,
    }
    if config.are_disjoint:
        settings["silo_rule"] = DISJOINT_RULE
    world = {
        "data_kind": "simulated",
        "description": "simulated retail world: no row describes a real person",
        "seed": config.seed,
        "persons": config.persons,
        "items": config.n_items,
        "first_day": config.first_day.isoformat(),
        "last_day": config.last_day.isoformat(),
    }
    return f"{_toml(settings)}\n[world]\n{_toml(world)}"


def _toml(settings: Mapping[str, object]) -> str:
    """Strings, numbers and lists of strings look the same in TOML and JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
