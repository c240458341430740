"""Builds that show less than was spent, or whose caps, approvals and rows hold less than they should."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from recsys.privacy import accountant, budget, chain, claim, ledger_approval, ledger_limits, person
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger_rows import read_event
from recsys.privacy.ledger_schema import VALUES
from recsys.privacy.statement import PrivacyStatement
from training import coordinator
from training.audit.mutants.registry import Replacement, mutants_of

COMMITTED = (
    "SELECT noise_multiplier, sampling_rate, CAST(sum(steps) AS BIGINT) AS steps FROM rows "
    "WHERE kind = 'reserve' AND id IN (SELECT reservation FROM rows WHERE kind = 'commit') "
    "GROUP BY noise_multiplier, sampling_rate"
)


def a_person_is_in_the_first_silos() -> Iterator[Replacement]:
    """Of all choices of silos the first one is composed: silos spend alike."""

    def person_epsilon(
        by_silo: Mapping[str, Sequence[PrivacyEvent]], max_silos: int, delta: float, measure: Any = None
    ) -> float:
        chosen = sorted(by_silo)[:max_silos]
        events = [event for silo in chosen for event in by_silo[silo]]
        return float((measure or accountant.epsilon)(events, delta))

    yield accountant, "person_epsilon", person_epsilon


def ledgers_not_given_do_not_count() -> Iterator[Replacement]:
    """A silo of the plan whose ledger is not at hand counts as having spent nothing."""
    yield person, "_bound_on_absent", lambda *_: []


def plain_words_of_half_the_epsilon() -> Iterator[Replacement]:
    """What a person reads is worked out by half of what was spent."""
    real: Any = PrivacyStatement.in_plain_words
    words = property(lambda self: real.fget(replace(self, epsilon=self.epsilon / 2)))
    yield PrivacyStatement, "in_plain_words", words


def silos_in_the_statement_spent_half() -> Iterator[Replacement]:
    """A person's epsilon is right, that of each silo in the statement is not."""

    def made(**fields: Any) -> PrivacyStatement:
        halved = {silo: spent / 2 for silo, spent in fields["silo_epsilons"].items()}
        return PrivacyStatement(**fields | {"silo_epsilons": halved})

    yield claim, "PrivacyStatement", made


def all_of_the_cap_is_left() -> Iterator[Replacement]:
    """What is left of a cap is the cap."""
    real = budget._account

    def account(*args: Any) -> budget.SiloBudget:
        found = real(*args)
        return replace(found, left=found.cap)

    yield budget, "_account", account


def what_was_never_closed_fills_no_cap() -> Iterator[Replacement]:
    """Caps compose what was committed: a process that died has released nothing, as somebody thought."""

    def read_charged(session: Any) -> list[PrivacyEvent]:
        return [read_event(row) for row in session.run(COMMITTED)]

    yield ledger_limits, "read_charged", read_charged


def caps_of_purposes_are_not_checked() -> Iterator[Replacement]:
    """The silo's own cap is held, that of a purpose is not."""
    real = ledger_limits.read_caps

    def read_caps(session: Any, **kwargs: Any) -> dict[str | None, Any]:
        return {name: cap for name, cap in real(session, **kwargs).items() if name is None}

    yield ledger_limits, "read_caps", read_caps


def nobody_has_to_approve() -> Iterator[Replacement]:
    """The policy is kept, and not asked."""
    yield ledger_approval, "asked_by", lambda *_: None


def words_of_rows_are_not_hashed() -> Iterator[Replacement]:
    """A row's hash covers its numbers, and not who asked, for which run, under which plan."""

    def row_hash(row: Mapping[str, Any]) -> str:
        values = {name: row[name] for name in VALUES if name != "details"}
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=repr).encode()).hexdigest()

    yield chain, "row_hash", row_hash


def times_of_stages_as_they_were() -> Iterator[Replacement]:
    """A report has seconds with all their digits, which follow how many customers a step drew."""
    real = coordinator._run

    def run(session: Any, kind: Any) -> dict[str, Any]:
        return real(session, kind) | {"seconds": dict(session.seconds)}

    yield coordinator, "_run", run


MUTANTS = mutants_of(
    a_person_is_in_the_first_silos,
    ledgers_not_given_do_not_count,
    plain_words_of_half_the_epsilon,
    silos_in_the_statement_spent_half,
    all_of_the_cap_is_left,
    what_was_never_closed_fills_no_cap,
    caps_of_purposes_are_not_checked,
    nobody_has_to_approve,
    words_of_rows_are_not_hashed,
    times_of_stages_as_they_were,
)
