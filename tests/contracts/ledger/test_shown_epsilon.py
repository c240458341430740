"""What is shown of a person's epsilon comes from ledgers' rows, whatever the files beside them say."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recsys.errors import LedgerError, PlanError
from recsys.privacy import accountant
from recsys.privacy.claim import statement
from recsys.privacy.statement import DataKind
from tests.contracts.ledger.federations import CAP, DELTA, Files, covered, generated, lost, random_plan, run
from tests.contracts.ledger.places import raw
from tests.contracts.ledger.tampers import SHOWN_BY_HEADS, SHOWN_BY_THE_CHAIN
from tests.contracts.ledger.test_tampering import written
from training.cli.budget import budget

BAR = 1e-4


def shown(*arguments: object) -> tuple[dict[str, Any], Result]:
    result = CliRunner().invoke(budget, ["status", *map(str, arguments), "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    return found, result


def account(found: dict[str, Any]) -> dict[str, Any]:
    """All of a report but what compares it with files."""
    return {name: value for name, value in found.items() if name not in ("notes", "no_ledger_yet")}


def edits(files: Files) -> list[dict[str, Any]]:
    """Changes of everything that leave the ledgers where they are."""
    return [
        {"max_silos_per_person": 1, "cap": 1.5, "delta": 1e-9},
        {"max_silos_per_person": len(files.silos), "cap": 2 * CAP, "delta": 1e-4, "registered_customers": 7},
    ]


@pytest.mark.evidence
def test_epsilon_shown_is_that_of_the_rows_whatever_the_files_say(
    tmp_path: Path, counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    sets, worst, left_out = counted(10, 200), 0.0, 0
    for seed in range(sets):
        folder = tmp_path / str(seed)
        folder.mkdir()
        files = generated(folder, seed)
        reference = lost(folder, DELTA)
        found, result = shown("--federation", files.write())
        assert result.exit_code == 0, result.output
        off = abs(found["person_epsilon"] - reference) / reference if reference else found["person_epsilon"]
        worst = max(worst, off)
        assert off <= BAR, (seed, found["person_epsilon"], reference)
        for edit in edits(files):
            edited, _ = shown("--federation", files.write(**edit))
            assert account(edited) == account(found), (seed, edit)
        if silo := next((silo for silo in files.silos if covered(folder, silo)), None):
            fewer, _ = shown("--federation", files.write(silos=[s for s in files.silos if s != silo]))
            assert fewer["person_epsilon"] >= found["person_epsilon"] * (1 - 1e-9), (seed, silo)
            left_out += 1
    assert left_out >= sets // 4
    evidence(
        "epsilon shown",
        bar="equals dp_accounting over raw rows to 0.01 %, whatever files say",
        measured=f"{sets} sets, at most {worst:.1e} off; a ledger left out of {left_out}: never less",
    )


def test_files_that_differ_from_the_rows_are_said(tmp_path: Path) -> None:
    files = two_silos(tmp_path, "ab")
    lowered, _ = shown("--federation", files.write(max_silos_per_person=1))
    assert any("up to 1 silo, the ledgers' rows count 2" in line for line in lowered["notes"])
    dropped, _ = shown("--federation", files.write(silos=["a"]))
    assert dropped["not_given"] == ["b"]
    assert any("ledger not given; counted with the whole plan" in line for line in dropped["notes"])
    assert any("not in federation.toml" in line for line in dropped["notes"])
    capped, _ = shown("--federation", files.write(cap=1.5))
    assert any("configured, not yet recorded, and the ledger's is shown" in line for line in capped["notes"])
    words = CliRunner().invoke(budget, ["status", "--federation", str(files.write(cap=1.5))]).stdout
    assert "configured, not yet recorded" in words
    again, _ = shown("--federation", files.write())
    assert again["notes"] == []


def test_fewer_silos_a_person_than_rows_recorded_are_refused(tmp_path: Path) -> None:
    path = two_silos(tmp_path, "ab").write()
    refused = CliRunner().invoke(budget, ["status", "--federation", str(path), "--max-silos", "1"])
    assert isinstance(refused.exception, PlanError)
    assert "below the 2 that the ledgers' rows recorded" in str(refused.exception)


def test_a_silo_that_moved_to_another_federation_takes_its_past_along(tmp_path: Path) -> None:
    files = two_silos(tmp_path, "ab")
    plan = random_plan(rng(5), ("a", "c"), 2, sampled=False)
    for silo in "ac":
        run(rng(5), files.ledger(silo), plan, silo, "moved")
    everything = shown("--federation", files.write(silos=["a", "b", "c"]))[0]
    ledgers = {silo: files.ledger(silo) for silo in "abc"}
    composed = [event for ledger in ledgers.values() for event in ledger.events()]
    assert everything["person_epsilon"] == pytest.approx(accountant.epsilon(composed, DELTA), rel=1e-9)
    assert [one["silos"] for one in everything["federations"]] == [["a", "b"], ["a", "c"]]
    without_b = shown("--federation", files.write(silos=["a", "c"]))[0]
    assert without_b["not_given"] == ["b"]
    assert without_b["person_epsilon"] >= everything["person_epsilon"] * (1 - 1e-9)
    here = {silo: ledgers[silo].charges() for silo in "ac"}
    stated = statement(plan, here, data_kind=DataKind.SIMULATED)
    assert stated.epsilon == pytest.approx(without_b["person_epsilon"], rel=1e-9)
    assert any("others beside them" in line and line.endswith(": b.") for line in stated.assumptions)


@pytest.mark.parametrize("tamper", [*SHOWN_BY_THE_CHAIN, *SHOWN_BY_HEADS], ids=lambda tamper: tamper.__name__)
def test_status_of_a_tampered_ledger_shows_what_there_is_and_fails(
    tmp_path: Path, tamper: Callable[[Any], None]
) -> None:
    where = str(tmp_path / "ledger.sqlite")
    written(where)
    with raw(where) as database:
        tamper(database)
    found, result = shown("--ledger", where)
    assert not found["silos"][0]["chain_ok"]
    assert isinstance(result.exception, LedgerError)
    assert result.exception.exit_code == 3
    assert "chain is broken" in str(result.exception)


def two_silos(folder: Path, names: str) -> Files:
    """Two silos of which a person may be in both, after one whole run."""
    plan = random_plan(rng(1), tuple(names), 2, sampled=False)
    files = Files(folder, list(names), 2)
    for silo in names:
        (folder / silo).mkdir()
        run(rng(1), files.ledger(silo), plan, silo, "first")
    return files


def rng(seed: int) -> random.Random:
    return random.Random(seed)
