"""Which federations there were, and what a person lost in them, from what rows recorded."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import PlanError
from recsys.privacy import accountant
from recsys.privacy.charged import Charged
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.person import person_of
from tests.recsys.privacy.builders import DELTA

ONE, TWO, STEPS = PrivacyEvent(5.0), PrivacyEvent(3.0), PrivacyEvent(1.2, 0.05, 10)


def charged(
    event: PrivacyEvent, silos: str = "", bound: int | None = None, run: str = "r", *plan: PrivacyEvent
) -> Charged:
    return Charged(run, event, frozenset(silos), bound, plan)


def epsilon(*events: PrivacyEvent) -> float:
    return accountant.epsilon(events, DELTA)


def test_a_federation_that_grew_is_one_and_counts_with_its_largest_bound() -> None:
    spent = {
        "a": [charged(ONE, "ab", 1), charged(ONE, "abc", 2)],
        "b": [charged(TWO, "ab", 1), charged(TWO, "abc", 2)],
        "c": [charged(ONE, "abc", 2)],
    }
    person = person_of(spent)
    (federation,) = person.federations
    assert (federation.silos, federation.max_silos_per_person) == (("a", "b", "c"), 2)
    assert person.epsilon(DELTA) == epsilon(ONE, ONE, TWO, TWO)
    assert person.max_silos_per_person == 2


def test_federations_that_are_not_nested_add_up() -> None:
    spent = {
        "a": [charged(ONE, "ab", 1), charged(TWO, "ac", 1)],
        "b": [charged(TWO, "ab", 1)],
        "c": [charged(ONE, "ac", 1)],
    }
    person = person_of(spent)
    assert [one.silos for one in person.federations] == [("a", "b"), ("a", "c")]
    assert person.epsilon(DELTA) == epsilon(TWO, TWO)
    assert person.max_silos_per_person == 2


def test_where_a_federation_branched_nothing_is_assumed_of_what_became_of_it() -> None:
    spent = {
        "a": [charged(ONE, "a", 1), charged(ONE, "ab", 1), charged(ONE, "ac", 1)],
        "b": [charged(TWO, "ab", 1)],
        "c": [charged(TWO, "ac", 1)],
    }
    assert len(person_of(spent).federations) == 3
    assert person_of(spent).epsilon(DELTA) == pytest.approx(epsilon(ONE, TWO, TWO), rel=1e-12)


def test_a_silo_that_is_not_given_counts_run_by_run_with_what_the_others_spent_most_of() -> None:
    plan = (ONE, STEPS)
    spent = {
        "a": [charged(ONE, "abc", 1, "r", *plan), charged(ONE, "abc", 1, "r", *plan)],
        "b": [charged(ONE, "abc", 1, "s", *plan), charged(STEPS, "abc", 1, "s", *plan)] * 2,
    }
    person = person_of(spent)
    assert person.not_given == ("c",)
    assert person.epsilon(DELTA) == epsilon(ONE, ONE, STEPS, ONE, ONE, STEPS, STEPS)
    assert person_of({"a": spent["a"]}).not_given == ("b", "c")


def test_rows_from_before_silos_were_recorded_count_in_all_silos_or_in_the_largest_bound() -> None:
    spent = {"a": [charged(ONE)], "b": [charged(TWO)], "c": [charged(TWO)]}
    assert person_of(spent).epsilon(DELTA) == epsilon(ONE, TWO, TWO)
    bounded = spent | {"a": [charged(ONE, "", 2)]}
    assert person_of(bounded).epsilon(DELTA) == epsilon(TWO, TWO)
    named = {"a": [charged(ONE), charged(ONE, "abc", 2)]}
    assert person_of(named).epsilon(DELTA) == epsilon(ONE, ONE, ONE, ONE), "the silos that later rows name"


def test_a_plan_that_no_row_holds_yet_counts_with_its_bound() -> None:
    spent = {"a": [charged(ONE)], "b": [charged(TWO)]}
    assert person_of(spent, plans={frozenset("ab"): 1}).epsilon(DELTA) == epsilon(TWO)
    assert person_of({}).epsilon(DELTA) == 0.0
    assert person_of({}).max_silos_per_person == 1


def test_a_person_is_never_counted_in_fewer_silos_than_rows_recorded() -> None:
    spent = {"a": [charged(ONE, "abc", 2)], "b": [charged(TWO, "abc", 2)], "c": []}
    with pytest.raises(PlanError, match="below the 2 that the ledgers' rows recorded"):
        person_of(spent, at_least=1)
    assert person_of(spent, at_least=3).federations[0].max_silos_per_person == 3


silo_sets = st.lists(st.sets(st.sampled_from("abcde"), min_size=1).map(frozenset), min_size=1, max_size=5)


@given(silo_sets, st.data())
def test_no_persons_loss_is_above_what_is_shown(sets: list[frozenset[str]], data: st.DataObject) -> None:
    """Plain Gaussians, whose mu^2 adds up: a person picks silos anew in each federation that there was."""
    spent: dict[str, list[Charged]] = {silo: [] for silo in "abcde"}
    bound = {silos: data.draw(st.integers(1, len(silos))) for silos in sets}
    for number, silos in enumerate(sets):
        for silo in silos:
            noise = data.draw(st.sampled_from((4.0, 8.0)))
            spent[silo].append(Charged(f"r{number}", PrivacyEvent(noise), silos, bound[silos]))
    person = person_of(spent)
    told = sum(
        max(
            sum(e.noise_multiplier**-2 for silo in some for e in one.spent[silo])
            for some in combinations(one.silos, min(one.max_silos_per_person, len(one.silos)))
        )
        for one in person.federations
    )
    assert person.epsilon(DELTA) >= epsilon(PrivacyEvent(told**-0.5)) * (1 - 1e-6)
    for silos in sets:
        worst = sorted(sum(e.event.noise_multiplier**-2 for e in spent[s] if e.silos == silos) for s in silos)
        assert told >= sum(worst[-bound[silos] :]) * (1 - 1e-9), "no federation alone is above the whole"
    everyone = {silo for one in person.federations for silo in one.silos}
    assert everyone == {silo for silos in sets for silo in silos}


def test_many_choices_are_bounded_by_all_silos() -> None:
    names = [f"s{number:02}" for number in range(14)]
    spent = {name: [Charged("r", ONE, frozenset(names), 7)] for name in names}
    assert person_of(spent).epsilon(DELTA) == pytest.approx(epsilon(*[ONE] * 14))
