"""Builds whose books or messages say something else than what ran, or too much about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger, Receipt, Row
from recsys.privacy.person import Person
from recsys.silos.config import SiloConfig
from training import client_app, egress
from training.audit.mutants.registry import Replacement, mutants_of
from training.egress import EGRESS, Declared, Leaves


def half_the_steps_accounted() -> Iterator[Replacement]:
    """A block of steps is kept in the ledger as half as many: one row for every two steps."""
    yield from _kept_as(lambda event: replace(event, steps=(event.steps + 1) // 2))


def halved_rate_accounted() -> Iterator[Replacement]:
    """The ledger keeps half the sampling rate: that of one half of the silo's stores."""
    yield from _kept_as(
        lambda event: (
            replace(event, sampling_rate=event.sampling_rate / 2) if event.sampling_rate < 1 else event
        )
    )


def _kept_as(less: Callable[[PrivacyEvent], PrivacyEvent]) -> Iterator[Replacement]:
    """The ledger keeps less than it is charged for; whoever asks for a reservation is told the charge."""
    reserve, commit = Ledger.reserve, Ledger.commit
    receipts, opened = Ledger.receipts, Ledger.open_reservations
    charged: dict[tuple[str, int | None], PrivacyEvent] = {}

    def reserve_less(self: Ledger, charge: Any) -> int:
        row = reserve(self, replace(charge, event=less(charge.event)))
        charged[self.where, row] = charge.event
        return row

    def commit_less(self: Ledger, reservation: int, steps: int, *args: Any, **kwargs: Any) -> Any:
        event = charged.get((self.where, reservation))
        return commit(self, reservation, min(steps, less(event).steps) if event else steps, *args, **kwargs)

    def receipts_as_charged(self: Ledger, **kwargs: Any) -> tuple[Receipt, ...]:
        return tuple(
            replace(told, event=charged.get((self.where, told.reservation), told.event))
            for told in receipts(self, **kwargs)
        )

    def opened_as_charged(self: Ledger) -> tuple[Row, ...]:
        return tuple(replace(row, event=charged.get((self.where, row.id), row.event)) for row in opened(self))

    yield Ledger, "reserve", reserve_less
    yield Ledger, "commit", commit_less
    yield Ledger, "receipts", receipts_as_charged
    yield Ledger, "open_reservations", opened_as_charged


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
    real = Person.epsilon

    def epsilon(self: Person, *args: Any, **kwargs: Any) -> float:
        alone = tuple(replace(one, max_silos_per_person=1) for one in self.federations)
        return real(Person(alone), *args, **kwargs)

    yield Person, "epsilon", epsilon


MUTANTS = mutants_of(
    half_the_steps_accounted,
    halved_rate_accounted,
    divisor_from_len,
    raw_count_leaves_the_silo,
    single_silo_epsilon_as_person_level,
)
