"""The simulated world with something new in it: customers who never train, items not sold before."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.coldstart.options import ColdStartOptions
from experiments.holdout import read_dataset
from recsys.data.contracts import Table
from recsys.data.history import Histories
from recsys.data.vocab import Catalogue
from recsys.seeds import rng
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.files import write_world

FEDERATION = "federation.toml"


@dataclass(frozen=True, eq=False)
class SiloSide:
    """One silo as the judge sees it.

    histories:  of the customers who agreed to personalisation, before and after the cut-off
    assortment: bool [n_items], what the silo sells, new items included
    never:      bool [customers], who never trains
    """

    name: str
    histories: Histories
    assortment: NDArray[np.bool_]
    never: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ColdWorld:
    """The silos on disk, and what of them is new.

    cutoff: Unix seconds; new_items: bool [n_items], items without any event before the cut-off
    """

    folder: Path
    catalogue: Catalogue
    cutoff: int
    new_items: NDArray[np.bool_]
    silos: tuple[SiloSide, ...]

    def federation(self, name: str, silos: Sequence[str], *, epsilon_cap: float) -> Path:
        """A federation of some of the silos, each with a ledger of its own for this training.

        Every training stands for a world in which it is the only one, so ledgers are not shared.
        """
        values = tomllib.loads((self.folder / FEDERATION).read_text(encoding="utf-8"))
        paths = [self._silo(silo, name, epsilon_cap) for silo in silos]
        path = self.folder / f"federation-{name}.toml"
        path.write_text(_toml(values | {"silos": paths}), encoding="utf-8")
        return path

    def _silo(self, silo: str, name: str, epsilon_cap: float) -> str:
        place = self.folder / "silos" / silo
        values = tomllib.loads((place / "silo.toml").read_text(encoding="utf-8"))
        own = {"ledger": f"ledger-{name}.sqlite", "epsilon_cap": epsilon_cap}
        path = place / f"silo-{name}.toml"
        path.write_text(_toml(values | own), encoding="utf-8")
        return str(path.relative_to(self.folder))


def make_cold_world(options: ColdStartOptions, seed: int, folder: Path) -> ColdWorld:
    """Write the world into a new folder, take the new items out of its past, and withdraw consents.

    A customer who never trains is one without consent to training: the product's own way.
    """
    path = write_world(options.world(seed), folder)
    federation = FederationConfig.load(path)
    catalogue, until = federation.read_catalogue(), options.until(seed)
    new = np.zeros(len(catalogue), bool)
    count = max(round(options.new_items * len(catalogue)), 1)
    new[rng(seed, "new items").choice(len(catalogue), count, replace=False)] = True
    new_ids = pa.array([item for item, is_new in zip(catalogue.item_ids, new, strict=True) if is_new])
    for config in federation.silo_configs():
        random = rng(seed, "new customers", config.name)
        _rewrite(config.folder / "customers.parquet", lambda t, r=random: _withdrawn(t, options, r))
        _rewrite(
            config.folder / "interactions.parquet",
            lambda t: t.filter(
                pc.invert(
                    pc.and_(
                        pc.is_in(t["item_id"], value_set=new_ids),
                        pc.less(t["timestamp"], pa.scalar(until, t["timestamp"].type)),
                    )
                )
            ),
        )
    sides = tuple(_side(config.name, config.base_silo(), catalogue) for config in federation.silo_configs())
    return ColdWorld(folder, catalogue, int(until.timestamp()), new, sides)


def _withdrawn(customers: pa.Table, options: ColdStartOptions, random: np.random.Generator) -> pa.Table:
    kept = pa.array(random.random(customers.num_rows) >= options.new_customers)
    column = customers.column_names.index("consent_training")
    field = customers.schema.field(column)
    return customers.set_column(column, field, pc.and_(customers["consent_training"], kept))


def _rewrite(path: Path, change: Any) -> None:
    pq.write_table(change(pq.read_table(path)), path, compression="zstd")


def _side(name: str, silo: Any, catalogue: Catalogue) -> SiloSide:
    customers = silo.read(Table.CUSTOMERS)
    dataset, assortment = read_dataset(silo, catalogue)
    trains = dict(
        zip(customers["customer_id"].to_pylist(), customers["consent_training"].to_pylist(), strict=True)
    )
    never = np.array([not trains[customer] for customer in dataset.customer_ids], bool)
    return SiloSide(name, dataset.histories, assortment, never)


def _toml(values: Mapping[str, Any]) -> str:
    """Plain values first, then the tables; strings, numbers and lists look the same in TOML and JSON."""
    plain = "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items() if not isinstance(v, Mapping))
    tables = (f"\n[{k}]\n{_toml(v)}" for k, v in values.items() if isinstance(v, Mapping))
    return plain + "".join(tables)
