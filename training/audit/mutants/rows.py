"""Builds in which one customer's rows, or how many there are, decide what is done for all; cheap steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.entities import Metric

from recsys.data.contracts import Table
from recsys.errors import PlanError
from recsys.privacy import accountant
from recsys.privacy.charged import Charged
from recsys.silos import check
from recsys.silos.base import sifted
from recsys.silos.config import FederationConfig, SiloConfig
from training import node, settle, tracking
from training.audit.mutants.registry import Replacement, mutants_of
from training.lifetimes import Known
from training.lifetimes import remember as known_of
from training.messages import Reply
from training.node import Node
from training.places import public_fields

MOST = 5_000


def broken_rows_take_others_along() -> Iterator[Replacement]:
    """The end of a file with broken rows is left out too: whoever wrote it was perhaps interrupted."""
    real = check._sifted

    def sift(*args: Any) -> Any:
        tables = real(*args)
        kept = tables.interactions.num_rows * 98 // 100
        return replace(tables, interactions=tables.interactions.slice(0, kept))

    yield check, "_sifted", sift


def a_whale_stops_the_silo() -> Iterator[Replacement]:
    """A silo refuses a file in which one customer has more events than any customer can have."""
    real = Node._data

    def data(self: Node, *args: Any) -> Any:
        counts = sifted(self.silo, Table.INTERACTIONS)["customer_id"].value_counts()
        if max((one["counts"] for one in counts.to_pylist()), default=0) > MOST:
            raise PlanError("one customer has too many events; look at the export")
        return real(self, *args)

    yield Node, "_data", data


def carried_is_what_was_bought() -> Iterator[Replacement]:
    """A silo carries what its customers have bought: its list of items holds much that is never sold."""

    class Bought:
        def __init__(self, silo: Any) -> None:
            self.silo = silo

        def read(self, table: Table) -> pa.Table:
            return sifted(self.silo, Table.INTERACTIONS if table is Table.ITEMS else table)

    yield node, "public_fields", lambda silo, catalogue: public_fields(Bought(silo), catalogue)  # type: ignore[arg-type]


def registered_grows_with_the_silo() -> Iterator[Replacement]:
    """A silo that has outgrown what it registered is registered with as many customers as it has."""
    real = SiloConfig.load.__func__  # type: ignore[attr-defined]

    def load(cls: type[SiloConfig], path: Path | str) -> SiloConfig:
        config: SiloConfig = real(cls, path)
        table = config.folder / "customers.parquet"
        there = pq.read_metadata(table).num_rows if table.is_file() else 0
        return config.model_copy(update={"registered_customers": max(config.registered_customers, there)})

    yield SiloConfig, "load", classmethod(load)


def sampled_steps_count_half() -> Iterator[Replacement]:
    """Steps on samples are composed as half as many: two samples at a small rate seldom share a customer."""
    real = accountant.canonical

    def canonical(events: Any) -> Any:
        return tuple(
            replace(event, steps=(event.steps + 1) // 2) if event.sampling_rate < 1 else event
            for event in real(events)
        )

    yield accountant, "canonical", canonical


def the_statement_forgets_earlier_runs() -> Iterator[Replacement]:
    """A run's statement is about that run: what earlier ones cost is in theirs."""
    real = known_of

    def remember(output: Path, replies: Mapping[str, Reply]) -> Known:
        known, own = real(output, replies), dict[str, list[Charged]]()
        for silo, reply in replies.items():
            runs = {json.loads(text)["run_id"] for text in json.loads(str(reply.fields["receipts"]))}
            own[silo] = [charged for charged in known.charged[silo] if charged.run_id in runs]
        return replace(known, charged=own)

    yield settle, "remember", remember


def mlflow_is_told_how_many_customers() -> Iterator[Replacement]:
    """MLflow keeps how many customers a run was made of, so that models can be compared."""
    real = tracking._log_numbers

    def log_numbers(client: Any, run_id: str, config: Any, *args: Any) -> None:
        real(client, run_id, config, *args)
        folders = [silo.folder for silo in FederationConfig.load(config.federation).silo_configs()]
        there = sum(pq.read_metadata(folder / "customers.parquet").num_rows for folder in folders)
        client.log_batch(run_id, metrics=[Metric("customers", float(there), 0, 0)])

    yield tracking, "_log_numbers", log_numbers


MUTANTS = mutants_of(
    broken_rows_take_others_along,
    a_whale_stops_the_silo,
    carried_is_what_was_bought,
    registered_grows_with_the_silo,
    sampled_steps_count_half,
    the_statement_forgets_earlier_runs,
    mlflow_is_told_how_many_customers,
)
