import dataclasses
import json
from datetime import date

import pytest

from recsys.privacy.claim import statement
from recsys.privacy.registry_entry import TO_BE_FILLED_IN, registry_entry
from recsys.privacy.statement import DataKind, PrivacyStatement
from tests.recsys.privacy.builders import make_plan

SECTIONS = {
    "basic",
    "dp_variant",
    "privacy_loss",
    "deployment_model",
    "accounting",
    "implementation",
    "administrative",
}


@pytest.fixture(scope="module")
def made() -> PrivacyStatement:
    return statement(make_plan(), {}, data_kind=DataKind.PRODUCTION, heads={"north": "ab" * 32})


def test_it_has_the_registrys_sections_and_is_json(made: PrivacyStatement) -> None:
    entry = registry_entry(made, model="thousandfaces 3", published=date(2026, 5, 1))
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    assert set(entry["deployment"]) == SECTIONS
    assert entry["deployment"]["basic"]["publication_date"] == "2026-05-01"
    assert entry["tier"] == 3


def test_it_says_what_the_statement_says(made: PrivacyStatement) -> None:
    entry = registry_entry(made, model="m", published=date(2026, 5, 1))["deployment"]
    assert entry["privacy_loss"]["privacy_parameters"] == {"epsilon": made.epsilon, "delta": made.delta}
    assert entry["privacy_loss"]["privacy_unit"] == "customer"
    assert "up to 2 silos" in entry["privacy_loss"]["privacy_unit_description"]
    assert [m["name"] for m in entry["implementation"]["mechanisms"]] == [m.name for m in made.mechanisms]
    assert entry["implementation"]["mechanisms"][-1]["mechanism"] == "Poisson-subsampled Gaussian"
    assert entry["administrative"]["evidence_sources"] == {"north": "ab" * 32}


def test_what_only_the_curator_knows_is_left_or_given(made: PrivacyStatement) -> None:
    left = registry_entry(made, model="m", published=date(2026, 5, 1))["deployment"]["basic"]
    assert all(left[name] == "" for name in TO_BE_FILLED_IN)
    given = registry_entry(made, model="m", published=date(2026, 5, 1), curator={"data_curator": "North Ltd"})
    assert given["deployment"]["basic"]["data_curator"] == "North Ltd"


def test_a_void_statement_makes_a_void_entry(made: PrivacyStatement) -> None:
    void = dataclasses.replace(made, void=("north: row 4 is void",))
    entry = registry_entry(void, model="m", published=date(2026, 5, 1))["deployment"]
    assert entry["administrative"]["notes"].startswith("VOID")
    assert "row 4 is void" in entry["basic"]["description"]


def test_renyi_accounting_stands_beside(made: PrivacyStatement) -> None:
    assert made.epsilon <= made.rdp_epsilon <= 1.25 * made.epsilon
