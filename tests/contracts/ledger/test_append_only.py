"""The ledger's own rules, whoever writes to it: rows stay, in line, and the cap holds whatever is asked."""

import sqlite3
import uuid

import pg8000.native
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.errors import BudgetExceededError, LedgerError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from tests.contracts.ledger.places import guarded, kind_of
from tests.recsys.privacy.builders import DELTA, make_charge

CAP = 2.0
REFUSED = (sqlite3.IntegrityError, pg8000.native.DatabaseError)
ANYWHERE = [
    "UPDATE rows SET noise_multiplier = 100.0",
    "UPDATE rows SET time = time",
    "DELETE FROM rows",
    "DELETE FROM rows WHERE id = 2",
]
BY_KIND = {
    "SQLite": [
        "REPLACE INTO rows SELECT * FROM rows WHERE id = 1",
        "INSERT OR REPLACE INTO rows SELECT * FROM rows WHERE id = 2",
        "UPDATE OR REPLACE rows SET id = 1 WHERE id = 2",
    ],
    "PostgreSQL": [
        "TRUNCATE rows",
        "INSERT INTO rows SELECT * FROM rows WHERE id = 2 ON CONFLICT (id) DO UPDATE SET steps = 1",
        "MERGE INTO rows USING (SELECT 2 AS id) AS r ON rows.id = r.id WHEN MATCHED THEN DELETE",
    ],
}


@pytest.fixture
def ledger(where: str) -> Ledger:
    made = Ledger(where)
    made.set_cap(CAP, DELTA)
    return made


def test_rows_are_neither_changed_nor_removed(ledger: Ledger, where: str) -> None:
    ledger.reserve(make_charge(PrivacyEvent(9.0)))
    rows = ledger.rows()
    with guarded(where) as database:
        for statement in [*ANYWHERE, *BY_KIND[kind_of(where)]]:
            with pytest.raises(REFUSED, match=r"append-only|does not continue the chain"):
                database.run(statement)
    assert ledger.rows() == rows


def test_nothing_is_committed_without_a_reservation(ledger: Ledger, where: str) -> None:
    with pytest.raises(LedgerError):
        ledger.commit(1, 1)
    changes = {"id": 2, "kind": "commit", "reservation": 1, "steps": 1, "hash": "a" * 64}
    with guarded(where) as database:
        (cap,) = database.rows()
        forged = cap | changes | {"previous": cap["hash"]}
        with pytest.raises(REFUSED, match="no such reservation"):
            database.insert(forged)


charges = st.lists(
    st.tuples(
        st.floats(2.0, 30.0),
        st.sampled_from([1.0, 1.0, 0.1]),
        st.integers(1, 20),
        st.sampled_from(["reserve", "commit", "void"]),
    ),
    max_size=5,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(charges)
def test_whatever_is_asked_the_cap_holds_and_nothing_is_refunded(
    where: str, asked: list[tuple[float, float, int, str]]
) -> None:
    ledger = Ledger(f"{where}_{uuid.uuid4().hex[:8]}")
    ledger.set_cap(CAP, DELTA)
    granted: list[PrivacyEvent] = []
    for noise, rate, steps, then in asked:
        event = PrivacyEvent(noise, rate, steps)
        fits = accountant.within([*granted, event], CAP, DELTA)
        try:
            number = ledger.reserve(make_charge(event))
        except BudgetExceededError:
            assert not fits
            continue
        assert fits
        granted.append(event)
        if then == "commit":
            ledger.commit(number, steps // 2)
        elif then == "void":
            ledger.void(number, "given up")
    assert list(ledger.events()) == granted
    assert ledger.epsilon(DELTA) <= CAP
    assert ledger.verify().ok
