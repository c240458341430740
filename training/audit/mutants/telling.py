"""Builds whose receipts, fields and files tell more than was charged, or whose books hold less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq

from recsys.privacy import chain, ledger_limits, ledger_rows
from recsys.privacy import ledger_views as views
from recsys.privacy.ledger import Ledger
from recsys.privacy.person import Person
from recsys.privacy.snapshot import snapshot_hmac
from recsys.silos.config import FederationConfig
from training import client_app, coordinator, node
from training.audit.mutants.registry import Replacement, mutants_of


def microseconds_in_receipts() -> Iterator[Replacement]:
    """Receipts say when a charge was made as exactly as the ledger knows it."""
    yield ledger_rows, "whole_seconds", lambda time: time


def receipts_say_when_they_were_closed() -> Iterator[Replacement]:
    """A receipt has the time of its own row: the coordinator wants to see how long a release took."""
    real = ledger_rows.read_receipt

    def read_receipt(session: Any, row: Any) -> Any:
        return replace(real(session, row), time=ledger_rows.whole_seconds(str(row["time"])))

    from recsys.privacy import ledger, ledger_reader

    yield ledger, "read_receipt", read_receipt
    if hasattr(ledger_reader, "read_receipt"):
        yield ledger_reader, "read_receipt", read_receipt


def rows_without_salt() -> Iterator[Replacement]:
    """A row's hash is that of what it says, so that anybody can recompute it."""
    yield chain, "_salted", lambda details: details


def one_snapshot_for_all_runs() -> Iterator[Replacement]:
    """The digest of the data is the same in each run, so that one sees what has not changed."""
    yield node, "snapshot_hmac", lambda key, _run_id, parts: snapshot_hmac(key, "", parts)


def a_loss_in_a_public_field() -> Iterator[Replacement]:
    """How much a silo has to learn from is told in a field that is declared already."""
    real = client_app._release

    def release(silo: Any, *args: Any, **kwargs: Any) -> Any:
        fields, released = real(silo, *args, **kwargs)
        return {**fields, "epsilon_left": float(silo._loaded[1].sequences.weights.sum())}, released

    yield client_app, "_release", release


def exact_counts_in_the_report() -> Iterator[Replacement]:
    """The report of a run says how many customers each silo has, read where all silos share a disk."""
    real = coordinator._left_out

    def left_out(session: Any, models: Any) -> dict[str, str]:
        silos = FederationConfig.load(session.config.federation).silo_configs()
        counts = {s.name: str(pq.read_metadata(s.folder / "customers.parquet").num_rows) for s in silos}
        return real(session, models) | counts

    yield coordinator, "_left_out", left_out


def given_up_is_not_spent() -> Iterator[Replacement]:
    """A reservation that was given up is left out of what is shown: nothing of it was released."""
    reservations, events = views.own_reservations, views.own_events

    def kept(rows: views.Rows) -> views.Rows:
        voided = {row.reservation for row in rows if row.kind == "void"}
        return tuple(row for row in rows if row.id not in voided)

    yield views, "own_reservations", lambda rows: reservations(kept(rows))
    yield views, "own_events", lambda rows, **options: events(kept(rows), **options)


def the_largest_instead_of_all() -> Iterator[Replacement]:
    """A person is shown the dearest release alone, as if the others were about somebody else."""
    real = Person.epsilon

    def epsilon(self: Person, *args: Any, **kwargs: Any) -> float:
        def dearest(events: Any) -> Any:
            return tuple(sorted(events, key=lambda event: event.noise_multiplier)[:1])

        fewer = tuple(
            replace(f, spent={silo: dearest(events) for silo, events in f.spent.items()})
            for f in self.federations
        )
        return real(Person(fewer), *args, **kwargs)

    yield Person, "epsilon", epsilon


def caps_are_not_checked() -> Iterator[Replacement]:
    """Rows are written and caps are shown, but nothing compares them."""
    yield ledger_limits, "_refuse_over", lambda *_: None


def charged_when_it_is_over() -> Iterator[Replacement]:
    """A row is written once a sum has been drawn: a crash before that should cost nothing."""
    reserve, commit = Ledger.reserve, Ledger.commit
    waiting: dict[tuple[str, int], Any] = {}

    def reserve_later(self: Ledger, charge: Any) -> int:
        if charge.event.steps > 1 or charge.mechanism == "towers":
            return reserve(self, charge)
        row = len(self.rows()) + 1
        waiting[self.where, row] = charge
        return row

    def commit_both(self: Ledger, reservation: int, *args: Any, **kwargs: Any) -> Any:
        charge = waiting.pop((self.where, reservation), None)
        return commit(self, reservation if charge is None else reserve(self, charge), *args, **kwargs)

    yield Ledger, "reserve", reserve_later
    yield Ledger, "commit", commit_both


MUTANTS = mutants_of(
    microseconds_in_receipts,
    receipts_say_when_they_were_closed,
    rows_without_salt,
    one_snapshot_for_all_runs,
    a_loss_in_a_public_field,
    exact_counts_in_the_report,
    given_up_is_not_spent,
    the_largest_instead_of_all,
    caps_are_not_checked,
    charged_when_it_is_over,
)
