"""Whole runs whose every reply is kept, and the worlds they run on: one customer more, one less."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from flwr.app import ArrayRecord, ConfigRecord, Message

from recsys.errors import ThousandFacesError
from recsys.silos.config import FederationConfig
from training.client_app import app
from training.config_file import load_config
from training.coordinator import coordinate
from training.egress import EGRESS, Leaves
from training.node import node_for
from training.progress import silent
from training.simulate import InProcessGrid, node_contexts

PRIVATE = ("interactions", "customers")
NEWCOMER = "newcomer-0123456789"


class Tap(InProcessGrid):
    """A grid that keeps every reply."""

    kept: list[Message]

    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> list[Message]:
        replies = super().send_and_receive(messages, timeout=timeout)
        self.kept.extend(replies)
        return replies


@dataclass
class Captured:
    public: dict[tuple[str, ...], Any] = field(default_factory=dict)
    sealed: dict[tuple[str, ...], Any] = field(default_factory=dict)
    noised: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict)


def run(world: Path, output: Path, settings: list[str]) -> tuple[list[Message], str]:
    """All replies of a run, and what it ended with: nothing, or the coordinator's error."""
    federation = world / "federation.toml"
    config = load_config(None, settings, {"federation": federation, "output": output})
    nodes = len(FederationConfig.load(federation).silos)
    node_for.cache_clear()  # silos read their settings when their process starts
    grid = Tap(app, node_contexts(nodes, {"federation": str(federation)}))
    grid.kept, ended = [], ""
    try:
        coordinate(grid, config, progress=silent, resume=False)
    except ThousandFacesError as error:
        ended = f"{type(error).__name__}: {error}"
    grid.close()
    return grid.kept, ended


def sorted_out(replies: list[Message]) -> Captured:
    """Each field of each reply under its declaration; an undeclared one has no place."""
    captured = Captured()
    for reply in replies:
        assert reply.has_content()
        assert set(reply.content) == {"fields", "arrays"}
        fields, arrays = reply.content["fields"], reply.content["arrays"]
        assert isinstance(fields, ConfigRecord)
        assert isinstance(arrays, ArrayRecord)
        key = tuple(str(fields[name]) for name in ("silo", "stage", "round"))
        assert set(fields) <= set(EGRESS)
        for name, value in fields.items():
            place = {Leaves.PUBLIC: captured.public, Leaves.SEALED: captured.sealed}[EGRESS[name].leaves]
            place[*key, name] = numbered_runs(str(value)) if name == "events" else value
        for name, array in arrays.items():
            assert EGRESS[name].leaves is Leaves.NOISED
            captured.noised[*key, name] = array.numpy()
    return captured


def numbered_runs(events: str) -> str:
    """A ledger's lifetime with runs by number: the coordinator draws their ids, anew in every run."""
    told = json.loads(events)
    ids = list(dict.fromkeys(told["runs"]))
    return json.dumps({**told, "runs": [ids.index(run) for run in told["runs"]]})


def charges(receipts: str) -> list[dict[str, Any]]:
    """Receipts without what a clock, a random run id or a keyed digest makes different each time."""
    dropped = {"hash", "time", "run_id"}
    return [{k: v for k, v in json.loads(text).items() if k not in dropped} for text in json.loads(receipts)]


def busiest_customer(folder: Path) -> str:
    rows, customers = (pq.read_table(folder / f"{name}.parquet") for name in PRIVATE)
    consenting = customers.filter(customers["consent_training"])["customer_id"].to_pylist()
    counts = Counter(rows["customer_id"].to_pylist())
    return max(consenting, key=lambda customer: (counts[customer], customer))


def without_one_customer(world: Path) -> None:
    """The busiest customer of a silo who consents is gone, with all records."""
    folder = first_silo(world)
    chosen = busiest_customer(folder)
    for name in PRIVATE:
        table = pq.read_table(folder / f"{name}.parquet")
        kept = table.filter(pc.not_equal(table["customer_id"], chosen))
        assert len(kept) < len(table)
        pq.write_table(kept, folder / f"{name}.parquet")


def with_one_customer_more(world: Path) -> None:
    """A newcomer has bought all that the busiest customer of a silo has, three times."""
    folder = first_silo(world)
    chosen = busiest_customer(folder)
    for name, copies in zip(PRIVATE, (3, 1), strict=True):
        table = pq.read_table(folder / f"{name}.parquet")
        theirs = table.filter(pc.equal(table["customer_id"], chosen)).to_pylist() * copies
        renamed = {"customer_id": NEWCOMER, "person_key": f"key of {NEWCOMER}"}
        rows = [row | {key: renamed[key] for key in row.keys() & renamed.keys()} for row in theirs]
        if "event_id" in table.column_names:
            rows = [row | {"event_id": f"new {number}"} for number, row in enumerate(rows)]
        grown = pa.concat_tables([table, pa.Table.from_pylist(rows, table.schema)])
        pq.write_table(grown, folder / f"{name}.parquet")


def first_silo(world: Path) -> Path:
    return sorted((world / "silos").iterdir())[0]


def customers_of(world: Path) -> set[str]:
    """What names a customer: identifiers and person keys, of all silos."""
    found: set[str] = set()
    for folder in (world / "silos").iterdir():
        table = pq.read_table(folder / "customers.parquet")
        found |= {*table["customer_id"].to_pylist(), *table["person_key"].to_pylist()} - {None}
    return found


def lower_caps(world: Path) -> None:
    for settings in (world / "silos").glob("*/silo.toml"):
        text = settings.read_text()
        assert "epsilon_cap = 8.0" in text
        settings.write_text(text.replace("epsilon_cap = 8.0", "epsilon_cap = 3.0"))


def content_of(path: Path) -> bytes:
    """A file as bytes that can be searched; Parquet is compressed, so its values are."""
    if path.suffix == ".parquet":
        return json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
    return path.read_bytes()
