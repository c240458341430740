from __future__ import annotations

import dataclasses
import json

import pytest

from recsys.privacy.claim import statement
from recsys.privacy.statement import DataKind, PrivacyStatement
from tests.recsys.privacy.builders import make_plan


@pytest.fixture(scope="module")
def made() -> PrivacyStatement:
    return statement(make_plan(), {}, data_kind=DataKind.SIMULATED, heads={"north": "ab" * 32})


def test_the_id_is_of_the_content(made: PrivacyStatement) -> None:
    assert made.id.startswith("ps-")
    assert made.id == dataclasses.replace(made).id
    assert made.id != dataclasses.replace(made, epsilon=made.epsilon + 1e-9).id


def test_it_is_json_with_words_and_numbers(made: PrivacyStatement) -> None:
    fields = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert fields == made.to_dict()
    assert fields["id"] == made.id
    assert (fields["unit"], fields["relation"]) == ("customer", "add-or-remove-one")
    assert fields["data_kind"] == "simulated"
    assert fields["mechanisms"][3]["steps"] == 60
    assert any("several keys" in limit for limit in fields["known_limits"])
    assert "every silo's noised sums" in fields["trust_model"]
    assert "lifetime of the ledger" in fields["period"]


@pytest.mark.parametrize(
    ("epsilon", "words"),
    [(0.5, "at most 62.2% sure"), (4.0, "at most 98.2% sure"), (9.0, "practically sure")],
)
def test_plain_words_say_what_epsilon_means(made: PrivacyStatement, epsilon: float, words: str) -> None:
    text = dataclasses.replace(made, epsilon=epsilon).in_plain_words
    assert words in text
    assert "a chance of 1 in 1,000,000" in text
    assert "up to 2 silos" in text


@pytest.mark.parametrize("kind", list(DataKind))
def test_research_data_is_outside_the_claim_and_says_so(made: PrivacyStatement, kind: DataKind) -> None:
    fields = dataclasses.replace(made, data_kind=kind).to_dict()
    outside = kind is DataKind.RESEARCH
    assert ("outside the claim" in fields["stamp"]) == outside
    assert fields["in_plain_words"].startswith("Outside the claim") == outside


def test_the_page_shows_all_of_it(made: PrivacyStatement) -> None:
    page = made.to_markdown()
    for shown in (
        made.id,
        made.data_kind.stamp,
        made.plan_fingerprint,
        made.noise_source,
        "| towers | 0.3 | 1.1 |",
    ):
        assert shown in page
    assert f"ε = {made.epsilon:.4g} at δ = 1e-06" in page
    assert "`abababababababab`" in page
    assert all(line in page for line in (*made.assumptions, *made.known_limits))


def test_a_public_rule_about_persons_and_silos_is_quoted(made: PrivacyStatement) -> None:
    ruled = statement(make_plan(), {}, data_kind=DataKind.SIMULATED, silo_rule="dealt by a hash of the key")
    assert ruled.assumptions[:-1] == made.assumptions
    told = "Nobody is in more than 2 silos, by a public rule: dealt by a hash of the key."
    assert ruled.assumptions[-1] == told
    assert told in ruled.to_markdown()
