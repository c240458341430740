"""Builds whose books or messages say something else than what ran, or too much about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recsys.privacy import accountant
from recsys.privacy.ledger import Ledger, Row
from recsys.silos.config import SiloConfig
from training import client_app, egress
from training.audit.mutants.registry import Replacement, mutants_of
from training.egress import EGRESS, Declared, Leaves


def half_the_steps_accounted() -> Iterator[Replacement]:
    """A block of steps is charged as half as many: one charge for every two steps."""
    reserve, commit, opened = Ledger.reserve, Ledger.commit, Ledger.open_reservations

    def halved_reserve(self: Ledger, charge: Any) -> int:
        event = charge.event
        return reserve(self, replace(charge, event=replace(event, steps=(event.steps + 1) // 2)))

    def lenient_commit(self: Ledger, reservation: int, steps: int, *args: Any, **kwargs: Any) -> Any:
        charged = next(row for row in self.rows() if row.id == reservation).event
        return commit(self, reservation, min(steps, charged.steps if charged else steps), *args, **kwargs)

    def doubled(self: Ledger) -> tuple[Row, ...]:
        return tuple(_with_event(row, steps=2) for row in opened(self))

    yield Ledger, "reserve", halved_reserve
    yield Ledger, "commit", lenient_commit
    yield Ledger, "open_reservations", doubled


def halved_rate_accounted() -> Iterator[Replacement]:
    """The ledger is told half the sampling rate: that of one half of the silo's stores."""
    reserve, opened = Ledger.reserve, Ledger.open_reservations

    def halved(self: Ledger, charge: Any) -> int:
        event = charge.event
        rate = event.sampling_rate / 2 if event.sampling_rate < 1 else 1.0
        return reserve(self, replace(charge, event=replace(event, sampling_rate=rate)))

    def doubled(self: Ledger) -> tuple[Row, ...]:
        return tuple(_with_event(row, rate=2.0) for row in opened(self))

    yield Ledger, "reserve", halved
    yield Ledger, "open_reservations", doubled


def _with_event(row: Row, *, steps: int = 1, rate: float = 1.0) -> Row:
    """The row as the silo believes that it was charged."""
    if row.event is None:
        return row
    rate = min(1.0, row.event.sampling_rate * rate)
    return replace(row, event=replace(row.event, steps=row.event.steps * steps, sampling_rate=rate))


def divisor_from_len() -> Iterator[Replacement]:
    """A silo's registered customers are counted from its table, so that nobody has to declare them."""
    real = SiloConfig.load.__func__  # type: ignore[attr-defined]

    def load(cls: type[SiloConfig], path: Path | str) -> SiloConfig:
        config: SiloConfig = real(cls, path)
        table = config.folder / "customers.parquet"
        if not table.is_file():
            return config
        return config.model_copy(update={"registered_customers": pq.read_metadata(table).num_rows})

    yield SiloConfig, "load", classmethod(load)


def raw_count_leaves_the_silo() -> Iterator[Replacement]:
    """Replies carry `num_examples`, as Flower's examples do, and the table of fields calls it public."""
    real = client_app._release

    def release(silo: Any, *args: Any, **kwargs: Any) -> Any:
        fields, released = real(silo, *args, **kwargs)
        return {**fields, "num_examples": len(silo._loaded[1].sequences)}, released

    public = Declared("num_examples", Leaves.PUBLIC, "weights of the average")
    yield client_app, "_release", release
    yield egress, "EGRESS", {**EGRESS, public.name: public}


def single_silo_epsilon_as_person_level() -> Iterator[Replacement]:
    """A person is shown the largest epsilon of one silo, as if nobody were a customer of two."""
    real = accountant.person_epsilon

    def person_epsilon(by_silo: Any, _max_silos: int, *args: Any, **kwargs: Any) -> float:
        return real(by_silo, 1, *args, **kwargs)

    yield accountant, "person_epsilon", person_epsilon


MUTANTS = mutants_of(
    half_the_steps_accounted,
    halved_rate_accounted,
    divisor_from_len,
    raw_count_leaves_the_silo,
    single_silo_epsilon_as_person_level,
)
