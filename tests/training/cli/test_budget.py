from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recsys import cli as command_line
from recsys.errors import ConfigError, LedgerError, PlanError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from tests.recsys.privacy.builders import DELTA, make_charge
from training.cli.budget import budget

EVENT = PrivacyEvent(3.0)


@pytest.fixture
def north(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "silos" / "north" / "ledger.sqlite")
    ledger.set_cap(4.0, DELTA)
    ledger.commit(ledger.reserve(make_charge(EVENT)), 1)
    ledger.void(ledger.reserve(make_charge(PrivacyEvent(9.0, 0.1, 20), run_id="run-2")), "lost [the] line")
    return ledger


@pytest.fixture
def federation(tmp_path: Path, north: Ledger) -> Path:
    for name in ("north", "south"):
        folder = tmp_path / "silos" / name
        folder.mkdir(parents=True, exist_ok=True)
        text = f'name = "{name}"\nregistered_customers = 100\nepsilon_cap = 3.0\ndelta = 1e-6\n'
        (folder / "silo.toml").write_text(text)
    path = tmp_path / "federation.toml"
    path.write_text('catalogue = "c.parquet"\nsilos = ["silos/north/silo.toml", "silos/south/silo.toml"]\n')
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(budget, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def break_row(ledger: Ledger, row: int) -> None:
    with sqlite3.connect(ledger.path) as raw:
        raw.execute("DROP TRIGGER no_update")
        raw.execute(f"UPDATE rows SET silo = 'elsewhere' WHERE id = {row}")
    raw.close()


def test_status_shows_spent_and_left(north: Ledger) -> None:
    found = run_json("status", "--ledger", north.path)
    silo = found["silos"][0]
    assert silo["silo"] == "north"
    assert silo["epsilon"] == pytest.approx(north.epsilon(DELTA))
    assert silo["left"] == pytest.approx(4.0 - north.epsilon(DELTA))
    assert found["person_epsilon"] == pytest.approx(silo["epsilon"])
    words = run("status", "--ledger", north.path).stdout
    assert "north" in words
    assert f"{north.epsilon(DELTA):.4g}" in words
    assert "A person in up to 1 silo(s)" in words


def test_status_of_a_federation_counts_silos_that_have_not_begun(federation: Path, north: Ledger) -> None:
    found = run_json("status", "--federation", federation)
    assert found["no_ledger_yet"] == ["south"]
    assert found["max_silos_per_person"] == 2
    assert "not begun" in run("status", "--federation", federation).stdout
    south = Ledger(federation.parent / "silos" / "south" / "ledger.sqlite")
    south.set_cap(3.0, DELTA)
    south.reserve(make_charge(EVENT, silo="south"))
    both = run_json("status", "--federation", federation, "--delta", "1e-5")
    assert both["person_epsilon"] == accountant.epsilon([*north.events(), EVENT], 1e-5)
    one = run_json("status", "--federation", federation, "--max-silos", "1")
    assert one["person_epsilon"] == pytest.approx(north.epsilon(DELTA))


def test_status_names_a_broken_chain(north: Ledger) -> None:
    break_row(north, 1)
    assert "BROKEN" in run("status", "--ledger", north.path).stdout


def test_status_refuses_a_delta_that_is_none(north: Ledger) -> None:
    assert isinstance(run("status", "--ledger", north.path, "--delta", "2").exception, PlanError)


def test_history_shows_every_row_or_one_runs(north: Ledger) -> None:
    rows = run_json("history", "--ledger", north.path)["north"]
    assert [row["kind"] for row in rows] == ["cap", "reserve", "commit", "reserve", "void"]
    assert rows[1]["event"] == {"noise_multiplier": 3.0, "sampling_rate": 1.0, "steps": 1}
    assert rows[1]["details"]["requester"] == "ana"
    only = run_json("history", "--ledger", north.path, "--run", "run-2")["north"]
    assert [row["id"] for row in only] == [4, 5]
    words = run("history", "--ledger", north.path).stdout
    assert "reserve" in words
    assert "void" in words


def test_verify_of_a_whole_ledger(north: Ledger) -> None:
    found = run_json("verify", "--ledger", north.path, "--head", north.head())
    wanted = {"ok": True, "rows": 5, "head": north.head(), "first_bad_row": None}
    assert {name: found[name] for name in wanted} == wanted
    assert "5 rows, whole" in run("verify", "--ledger", north.path).stdout


def test_verify_of_a_broken_ledger_fails_and_names_the_row(north: Ledger) -> None:
    head = north.head()
    break_row(north, 3)
    result = run("verify", "--ledger", north.path, "--json")
    assert isinstance(result.exception, LedgerError)
    found = json.loads(result.stdout)
    assert (found["ok"], found["rows"], found["head"], found["first_bad_row"]) == (False, 5, head, 3)
    assert "BROKEN at row 3" in run("verify", "--ledger", north.path).stdout


def test_verify_against_a_head_that_is_gone(north: Ledger) -> None:
    result = run("verify", "--ledger", north.path, "--head", "e" * 64, "--json")
    assert json.loads(result.stdout)["first_bad_row"] == 6
    assert "tail was cut" in str(result.exception)


def test_verify_of_what_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(b"this is no database" * 100)
    result = run("verify", "--ledger", path, "--json")
    assert json.loads(result.stdout)["ok"] is False
    assert isinstance(result.exception, LedgerError)


def test_verify_of_several_ledgers(north: Ledger, tmp_path: Path) -> None:
    mirror = Ledger(tmp_path / "mirror.sqlite")
    mirror.mirror(north.receipts()[0])
    copy = Ledger(tmp_path / "copy.sqlite")
    copy.set_cap(1e6, DELTA)
    copy.reserve(make_charge(EVENT))
    found = run_json("verify", "--ledger", north.path, "--ledger", mirror.path, "--ledger", copy.path)
    assert (found["ok"], found["rows"], found["head"]) == (True, 8, None)
    assert [ledger["silo"] for ledger in found["ledgers"]] == ["north", "mirror", str(copy.path)]
    both = run("verify", "--ledger", north.path, "--ledger", mirror.path, "--head", north.head())
    assert isinstance(both.exception, ConfigError)


def test_verify_of_a_federation_misses_a_ledger_that_is_gone(federation: Path) -> None:
    result = run("verify", "--federation", federation)
    assert isinstance(result.exception, LedgerError)
    assert "no such ledger" in str(result.exception)


@pytest.mark.parametrize("verb", ["status", "history", "verify"])
def test_one_kind_of_source_is_needed(verb: str, north: Ledger, federation: Path) -> None:
    for arguments in ([], ["--ledger", north.path, "--federation", federation]):
        result = run(verb, *arguments)
        assert isinstance(result.exception, ConfigError)
        assert "give either --ledger" in str(result.exception)


def test_the_exit_code_of_a_broken_ledger_is_3(
    north: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_row(north, 2)
    monkeypatch.setattr(sys, "argv", ["thousandfaces", "budget", "verify", "--ledger", str(north.path)])
    with pytest.raises(SystemExit) as exit_:
        command_line.main()
    assert exit_.value.code == 3
    assert "error: row 2 was edited" in capsys.readouterr().err
