"""Builds in which a customer counts twice, or without consent, or is told from others by rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from recsys.data import consent
from recsys.data.contracts import Table
from recsys.data.source import named
from recsys.models import popularity
from recsys.privacy.clipping import on_grid
from recsys.silos import online
from recsys.silos.online import MergedSilo
from training import loading
from training.audit.mutants.registry import Replacement, mutants_of
from training.engine import _NoisingOptimizer

SUFFIX = "/online"


def online_events_are_a_second_customer() -> Iterator[Replacement]:
    """Accounts of the web shop are customers of their own, beside those of the till."""
    yield from _second_customers(SUFFIX)


def online_ids_are_spelled_otherwise() -> Iterator[Replacement]:
    """The web shop pads ids with a blank, so that a customer's events count under two spellings."""
    yield from _second_customers(" ")


def _second_customers(suffix: str) -> Iterator[Replacement]:
    listed, read, sift = MergedSilo._listed, MergedSilo.read, MergedSilo.sift

    def renamed(rows: pa.Table) -> pa.Table:
        place = rows.schema.get_field_index("customer_id")
        names = pc.binary_join_element_wise(rows["customer_id"], suffix, "")
        return rows.set_column(place, rows.schema.field(place), names)

    def listed_apart(self: MergedSilo, *args: Any) -> pa.Table:
        return renamed(listed(self, *args))

    def doubled(table: Table, rows: pa.Table) -> pa.Table:
        if table is not Table.CUSTOMERS:
            return rows
        second = renamed(rows)
        place = rows.schema.get_field_index("person_key")
        second = second.set_column(place, rows.schema.field(place), pa.nulls(len(rows), pa.string()))
        return named(pa.concat_tables([rows, second]), "customers")

    yield MergedSilo, "_listed", listed_apart
    yield MergedSilo, "read", lambda self, table, since=None: doubled(table, read(self, table, since))
    yield MergedSilo, "sift", lambda self, table: doubled(table, sift(self, table))


def events_joined_by_id_alone() -> Iterator[Replacement]:
    """An online event whose id is in the tables is a copy of it, whoever bought it."""

    def unknown(rows: pa.Table, base: pa.Table) -> pa.Table:
        known = pc.is_in(rows["event_id"], value_set=base["event_id"].combine_chunks())
        return rows.filter(pc.invert(known))

    yield online, "_unknown", unknown


def who_did_not_consent_trains() -> Iterator[Replacement]:
    """Consent is read as consent to be a customer: everybody in the table trains."""
    real = consent.consented_for_training

    def everybody(interactions: pa.Table, customers: pa.Table, **bounds: Any) -> Any:
        place = customers.schema.get_field_index("consent_training")
        yes = pa.array([True] * len(customers))
        return real(interactions, customers.set_column(place, "consent_training", yes), **bounds)

    yield loading, "consented_for_training", everybody


def rank_is_not_looked_at() -> Iterator[Replacement]:
    """A customer trains in every silo: each silo only sees its own table, after all."""
    real = consent.consented_for_training

    def anywhere(*tables: pa.Table, silos: int, **_: Any) -> Any:
        return real(*tables, max_silos_per_person=silos, silos=silos)

    yield loading, "consented_for_training", anywhere


def device_signals_train() -> Iterator[Replacement]:
    """What devices report is an event like any other."""
    yield consent, "_without_signals", lambda rows: rows


def weighed_after_scaling() -> Iterator[Replacement]:
    """Popularity's items are weighed after they were scaled to norm 1, and nobody scales again."""
    yield popularity, "on_grid", lambda values, *bound: on_grid(1.5 * values, *bound)


def popularity_in_float32() -> Iterator[Replacement]:
    """Popularity is added up in the precision in which it leaves."""
    real = popularity.contribution

    def rounded(*args: Any, **kwargs: Any) -> Any:
        return real(*args, **kwargs).astype(np.float32).astype(np.float64)

    yield popularity, "contribution", rounded


def steps_in_float32() -> Iterator[Replacement]:
    """The towers' clipped sum is kept in the precision of the table."""
    real = _NoisingOptimizer.take

    def take(self: Any, total: torch.Tensor) -> None:
        real(self, total.float().double())

    yield _NoisingOptimizer, "take", take


MUTANTS = mutants_of(
    online_events_are_a_second_customer,
    online_ids_are_spelled_otherwise,
    events_joined_by_id_alone,
    who_did_not_consent_trains,
    rank_is_not_looked_at,
    device_signals_train,
    weighed_after_scaling,
    popularity_in_float32,
    steps_in_float32,
)
