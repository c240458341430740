from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recsys.data.contracts import Table
from recsys.errors import ConfigError
from recsys.silos.config import FederationConfig
from recsys.silos.simulator import SimulatedSilo, WorldConfig, registered_customers, write_world


def test_the_folder_loads_as_a_federation(folder: Path, config: WorldConfig) -> None:
    federation = FederationConfig.load(folder / "federation.toml")
    assert federation.max_silos_per_person == 2
    assert federation.world["data_kind"] == "simulated"
    assert len(federation.read_catalogue()) == config.n_items
    registered = {silo.name: silo.registered_customers for silo in federation.silo_configs()}
    assert registered == registered_customers(config)


def test_the_folder_holds_the_same_tables_as_memory(folder: Path, silos: tuple[SimulatedSilo, ...]) -> None:
    configs = FederationConfig.load(folder / "federation.toml").silo_configs()
    for silo, written in zip(silos, configs, strict=True):
        for table in Table:
            assert written.base_silo().read(table).equals(silo.read(table))


def test_the_truth_names_every_customer_and_person(folder: Path, silos: tuple[SimulatedSilo, ...]) -> None:
    persons, customers, staples = (
        pq.read_table(folder / "truth" / f"{name}.parquet") for name in ("persons", "customers", "staples")
    )
    assert persons["person"].to_pylist() == list(range(400))
    ids = {id_ for silo in silos for id_ in silo.read(Table.CUSTOMERS)["customer_id"].to_pylist()}
    assert set(customers["customer_id"].to_pylist()) == ids
    assert set(staples["customer_id"].to_pylist()) <= ids
    ahead = [day for day in staples["next_purchase"].to_pylist() if day is not None]
    assert ahead
    assert min(ahead).isoformat() > "2026-06-28"
    assert min(staples["cycle_days"].to_pylist()) >= 1


def test_the_truth_joins_the_customers_of_one_person(folder: Path, silos: tuple[SimulatedSilo, ...]) -> None:
    customers = pq.read_table(folder / "truth" / "customers.parquet").to_pylist()
    person = {row["customer_id"]: row["person"] for row in customers}
    keys: dict[str, set[int]] = {}
    for silo in silos:
        for row in silo.read(Table.CUSTOMERS).to_pylist():
            if row["person_key"] is not None:
                keys.setdefault(row["person_key"], set()).add(person[row["customer_id"]])
    assert all(len(persons) == 1 for persons in keys.values())


def test_progress_is_reported_by_chunk_and_a_world_is_never_overwritten(
    tmp_path: Path, tiny: WorldConfig
) -> None:
    seen: list[tuple[int, int]] = []
    write_world(tiny, tmp_path / "world", lambda done, total: seen.append((done, total)))
    assert seen == [(30, 60), (60, 60)]
    with pytest.raises(ConfigError, match="already here"):
        write_world(tiny, tmp_path / "world")


def test_disjoint_silos_are_declared_with_their_rule(folder: Path, tmp_path: Path) -> None:
    assert FederationConfig.load(folder / "federation.toml").silo_rule is None
    disjoint = WorldConfig.disjoint(3, persons=60, n_items=200)
    federation = FederationConfig.load(write_world(disjoint, tmp_path / "world"))
    assert federation.max_silos_per_person == 1
    assert federation.silo_rule == "each person is a customer of one store group alone"
