from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data.consent import (
    Consented,
    Purpose,
    consented_for_personalisation,
    consented_for_training,
)
from recsys.data.history import SIGNALS, EventType
from recsys.errors import ConfigError

Maker = Callable[..., pa.Table]


def test_only_consenting_customers_remain(customers: Maker, purchases: Maker) -> None:
    people = customers("a", "b", "c", training=[True, False, True], personalisation=[False, True, False])
    rows = purchases(("c", "x", 1), ("b", "y", 2), ("a", "z", 3))
    training = consented_for_training(rows, people, max_silos_per_person=1, silos=1)
    assert training.purpose is Purpose.TRAINING
    assert training.customers["customer_id"].to_pylist() == ["a", "c"]
    assert training.interactions["item_id"].to_pylist() == ["x", "z"]
    personal = consented_for_personalisation(rows, people)
    assert personal.purpose is Purpose.PERSONALISATION
    assert personal.interactions["customer_id"].to_pylist() == ["b"]


def test_interactions_of_unlisted_customers_are_not_consented(customers: Maker, purchases: Maker) -> None:
    rows = purchases(("a", "x", 1), ("stranger", "y", 2))
    consented = consented_for_training(rows, customers("a"), max_silos_per_person=1, silos=1)
    assert consented.interactions["customer_id"].to_pylist() == ["a"]


def test_nobody_else_makes_consented_data(customers: Maker, purchases: Maker) -> None:
    rows, people = purchases(("a", "x", 1)), customers("a")
    with pytest.raises(TypeError, match="consented_for_training"):
        Consented(rows, people, Purpose.TRAINING, object())
    with pytest.raises(TypeError):
        Consented(rows, people, Purpose.TRAINING)  # type: ignore[call-arg]
    consented = consented_for_personalisation(rows, people)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(consented, purpose=Purpose.TRAINING)
    with pytest.raises(dataclasses.FrozenInstanceError):
        consented.purpose = Purpose.TRAINING  # type: ignore[misc]


def test_the_silo_bound_keeps_first_silos_only(customers: Maker, purchases: Maker) -> None:
    people = customers("a", "b", "c", "d", rank=[1, 2, 3, None])
    rows = purchases(*[(customer, "x", 1) for customer in "abcd"])

    def kept(bound: int, silos: int) -> list[str]:
        consented = consented_for_training(rows, people, max_silos_per_person=bound, silos=silos)
        return consented.interactions["customer_id"].to_pylist()

    assert kept(3, 3) == ["a", "b", "c", "d"]
    assert kept(2, 3) == ["a", "b"]
    assert kept(1, 3) == ["a"]


@pytest.mark.parametrize(("bound", "silos"), [(0, 1), (1, 0), (-1, 3)])
def test_impossible_bounds_are_refused(customers: Maker, purchases: Maker, bound: int, silos: int) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        consented_for_training(purchases(), customers("a"), max_silos_per_person=bound, silos=silos)


PEOPLE = st.lists(st.tuples(st.booleans(), st.none() | st.integers(1, 4)), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(people=PEOPLE, bound=st.integers(1, 4), removed=st.integers(0, 7))
def test_removing_a_customer_removes_only_that_customer(
    customers: Maker, purchases: Maker, people: list[tuple[bool, int | None]], bound: int, removed: int
) -> None:
    ids = [f"c{number}" for number in range(len(people))]
    out = ids[removed % len(ids)]

    def kept(present: list[str]) -> list[str]:
        chosen = [people[ids.index(name)] for name in present]
        table = customers(*present, training=[p[0] for p in chosen], rank=[p[1] for p in chosen])
        rows = purchases(*[(name, "x", 1) for name in present])
        consented = consented_for_training(rows, table, max_silos_per_person=bound, silos=4)
        return list(consented.interactions["customer_id"].to_pylist())

    assert kept([name for name in ids if name != out]) == [name for name in kept(ids) if name != out]


def test_device_signals_and_answers_to_them_train_nothing(customers: Maker, purchases: Maker) -> None:
    rows = purchases(*[("a", f"x{number}", number + 1) for number in range(len(EventType))])
    rows = rows.set_column(rows.column_names.index("event"), "event", [[kind.value for kind in EventType]])
    people = customers("a")
    trained = consented_for_training(rows, people, max_silos_per_person=1, silos=1)
    kept = set(trained.interactions["event"].to_pylist())
    assert kept == set(EventType) - set(SIGNALS)
    assert consented_for_personalisation(rows, people).interactions.num_rows == len(EventType)
    coded = rows.set_column(rows.column_names.index("event"), "event", rows["event"].dictionary_encode())
    again = consented_for_training(coded, people, max_silos_per_person=1, silos=1)
    assert set(again.interactions["event"].to_pylist()) == kept
