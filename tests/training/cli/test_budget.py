from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recsys import cli as command_line
from recsys.errors import ApprovalRequiredError, ConfigError, LedgerError, PlanError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Cap, Ledger
from tests.recsys.privacy.builders import DELTA, make_charge
from training.cli.budget import budget

EVENT = PrivacyEvent(3.0)
PLAN = "d" * 64


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
    assert "A person in up to 1 silo:" in words


def test_status_of_a_federation_counts_silos_that_have_not_begun(federation: Path, north: Ledger) -> None:
    found = run_json("status", "--federation", federation)
    assert found["no_ledger_yet"] == ["south"]
    assert found["max_silos_per_person"] == 1, "from ledgers, not from the file"
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
    result = run("status", "--ledger", north.path)
    assert "BROKEN" in result.stdout
    assert isinstance(result.exception, LedgerError), "everything is shown, and then the exit code is 3"


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
    cells = next(line for line in words.splitlines() if "│ cap" in line).split("│")[1:-1]
    assert [cell.strip() for cell in cells[5:9]] == ["-"] * 4


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
    heads = sorted([north.head(), mirror.head(), copy.head()])
    combined = hashlib.sha256("".join(heads).encode()).hexdigest()
    assert (found["ok"], found["rows"], found["head"]) == (True, 8, combined)
    assert [ledger["silo"] for ledger in found["ledgers"]] == ["north", "mirror", str(copy.path)]
    both = run("verify", "--ledger", north.path, "--ledger", mirror.path, "--head", north.head())
    assert isinstance(both.exception, ConfigError)


def test_verify_of_a_federation_misses_a_ledger_that_is_gone(federation: Path) -> None:
    result = run("verify", "--federation", federation)
    assert isinstance(result.exception, LedgerError)
    assert "no such ledger" in str(result.exception)


def test_status_shows_purposes_void_releases_and_what_waits(north: Ledger) -> None:
    north.set_cap(3.0, DELTA, "training")
    north.reserve(make_charge(PrivacyEvent(30.0), purpose="evaluation"))
    north.set_policy(0.0)
    with pytest.raises(ApprovalRequiredError):
        north.reserve(make_charge(EVENT, plan_fingerprint=PLAN))
    silo = run_json("status", "--ledger", north.path)["silos"][0]
    assert (silo["releases"], silo["open_releases"], silo["voided_releases"]) == (3, 1, 1)
    evaluation, training = silo["purposes"]
    assert (evaluation["purpose"], evaluation["cap"], evaluation["left"]) == ("evaluation", None, None)
    spent = accountant.epsilon([EVENT, PrivacyEvent(9.0, 0.1, 20)], DELTA)
    assert (training["purpose"], training["cap"], training["epsilon"]) == ("training", 3.0, spent)
    assert training["left"] == 3.0 - spent
    assert (silo["approval_above"], silo["waiting"][0]["plan_fingerprint"]) == (0.0, PLAN)
    words = run("status", "--ledger", north.path).stdout
    assert f"plan {PLAN} of ε = " in words
    assert "  evaluation" in words


def test_an_approval_lets_the_plan_through(north: Ledger) -> None:
    north.set_policy(0.0)
    with pytest.raises(ApprovalRequiredError):
        north.reserve(make_charge(EVENT, plan_fingerprint=PLAN))
    own = run("approve", "--ledger", north.path, "--plan", PLAN, "--by", "Ana")
    assert isinstance(own.exception, LedgerError)
    assert "cannot approve their own request" in str(own.exception)
    result = run("approve", "--ledger", north.path, "--plan", PLAN, "--by", " ben ", "--epsilon", "3")
    assert "ben approves" in result.stdout
    assert "asked for by ana" in result.stdout
    assert north.reserve(make_charge(EVENT, plan_fingerprint=PLAN)) == len(north.rows())
    assert north.rows()[-1].details["approver"] == "ben"
    assert (
        "nobody has asked" in run("approve", "--ledger", north.path, "--plan", "a" * 64, "--by", "b").stdout
    )
    history = run("history", "--ledger", north.path).stdout
    for words in ("approval above ε = 0", f"{PLAN[:12]}… up to ε = 3", "ana, approved by ben"):
        assert words in " ".join(history.split())
    for arguments in (["--plan", "short", "--by", "ben"], ["--plan", PLAN, "--by", " "]):
        assert isinstance(run("approve", "--ledger", north.path, *arguments).exception, ConfigError)


def test_a_cap_is_set_by_somebody(federation: Path, north: Ledger) -> None:
    config = federation.parent / "silos" / "north" / "silo.toml"
    result = run("cap", "--silo", config, "--epsilon", "2.5", "--delta", "1e-6", "--by", "ana")
    assert f"north: cap is epsilon 2.5 at delta 1e-06; spent {north.epsilon(1e-6):.4g}" in result.stdout
    run(
        "cap",
        "--ledger",
        north.path,
        "--epsilon",
        "1",
        "--delta",
        "1e-6",
        "--purpose",
        "audit",
        "--by",
        "cem",
    )
    assert north.caps() == {None: Cap(2.5, 1e-6), "audit": Cap(1.0, 1e-6)}
    assert [row.details["requester"] for row in north.rows()[-2:]] == ["ana", "cem"]
    assert "ε ≤ 1 for audit" in run("history", "--ledger", north.path).stdout
    wrong = run("cap", "--ledger", north.path, "--epsilon", "nan", "--delta", "1e-6", "--by", "ana")
    assert isinstance(wrong.exception, PlanError)


def test_an_export_is_what_a_ledger_is_held_against_later(north: Ledger, tmp_path: Path) -> None:
    out, backup = tmp_path / "export.json", tmp_path / "backup"
    shutil.copy(north.path, backup)
    north.reserve(make_charge(PrivacyEvent(30.0)))
    assert f"head {north.head()}" in run("export", "--ledger", north.path, "--out", out).stdout
    made = json.loads(out.read_text())
    assert (made["head"], made["ledgers"][0]["head"]) == (north.head(), north.head())
    assert [row["kind"] for row in made["ledgers"][0]["rows"]] == [row.kind for row in north.rows()]
    assert json.loads(run("export", "--ledger", north.path, "--out", "-").stdout)["head"] == north.head()
    north.reserve(make_charge(PrivacyEvent(30.0)))
    assert run_json("verify", "--ledger", north.path, "--heads", out)["ok"]
    cut = run("verify", "--ledger", backup, "--heads", out, "--json")
    assert isinstance(cut.exception, LedgerError)
    assert json.loads(cut.stdout)["first_bad_row"] == 6
    again = run("export", "--ledger", north.path, "--out", out)
    assert "exists; an export is evidence" in str(again.exception)
    assert "cannot be written" in str(run("export", "--ledger", north.path, "--out", out / "x").exception)
    break_row(north, 2)
    assert isinstance(run("export", "--ledger", north.path, "--out", "-").exception, LedgerError)


def test_an_export_of_other_silos_is_no_measure(north: Ledger, tmp_path: Path) -> None:
    south = Ledger(tmp_path / "south.sqlite")
    south.set_cap(3.0, DELTA)
    south.reserve(make_charge(EVENT, silo="south"))
    west = Ledger(tmp_path / "west.sqlite")
    out = tmp_path / "export.json"
    run("export", "--ledger", north.path, "--ledger", south.path, "--out", out)
    both = run_json("verify", "--ledger", south.path, "--ledger", north.path, "--heads", out)
    assert both["head"] == json.loads(out.read_text())["head"]
    fewer = run("verify", "--ledger", west.path, "--ledger", north.path, "--heads", out)
    assert "holds silo 'south', whose ledger was not given" in str(fewer.exception)
    for text in ("", "{}", '{"ledgers": [{"silo": "north", "rows": [{"id": 1, "hash": "x"}]}]}'):
        out.write_text(text)
        refused = run("verify", "--ledger", north.path, "--heads", out)
        assert isinstance(refused.exception, ConfigError)
        assert "no export of `budget export`" in str(refused.exception)
    gone = run("verify", "--ledger", north.path, "--heads", tmp_path / "none")
    assert "cannot be read" in str(gone.exception)


def test_every_verb_takes_a_ledger_on_a_server(postgres_url: str) -> None:
    ledger = Ledger(postgres_url)
    ledger.set_cap(4.0, DELTA)
    ledger.commit(ledger.reserve(make_charge(EVENT)), 1)
    source = ("--ledger", postgres_url)
    assert run_json("status", *source)["silos"][0]["silo"] == "north"
    assert len(run_json("history", *source)["north"]) == 3
    verified = run_json("verify", *source, "--head", ledger.head())
    assert (verified["ok"], verified["ledgers"][0]["path"]) == (True, ledger.where)
    assert json.loads(run("export", *source, "--out", "-").stdout)["ledgers"][0]["where"] == ledger.where
    assert run("cap", *source, "--epsilon", "3", "--delta", "1e-6", "--by", "ana").exit_code == 0
    assert run("approve", *source, "--plan", PLAN, "--by", "ben").exit_code == 0
    assert [row.kind for row in ledger.rows()][-2:] == ["cap", "approve"]


@pytest.mark.parametrize("verb", ["status", "history", "verify", "export", "cap", "approve"])
def test_help_says_what_is_needed(verb: str) -> None:
    words = run(verb, "--help").stdout
    assert all(option in words for option in ("--ledger PATH|URL", "--silo", "--federation"))


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
    assert f"error: {north.path}: row 2 was edited" in capsys.readouterr().err


def test_status_shows_all_that_mirrors_prove_and_says_what_the_ledger_lacks(
    tmp_path: Path, north: Ledger
) -> None:
    mirror, replaced = Ledger(tmp_path / "mirror.db"), Ledger(tmp_path / "replaced.sqlite")
    for receipt in north.receipts():
        mirror.mirror(receipt)
    replaced.set_cap(4.0, DELTA)
    replaced.reserve(make_charge(EVENT, run_id="run-3"))
    found = run_json("status", "--ledger", replaced.path, "--ledger", mirror.path)
    everything = accountant.epsilon([*north.events(), *replaced.events()], DELTA)
    assert found["person_epsilon"] == pytest.approx(everything)
    assert any("replaced or rewritten" in line for line in found["notes"])
    assert run_json("status", "--ledger", north.path, "--ledger", mirror.path)["notes"] == []


def test_a_silo_is_called_as_its_rows_call_it(tmp_path: Path, north: Ledger, federation: Path) -> None:
    place = north.path.parent / "silo.toml"
    place.write_text(place.read_text().replace('"north"', '"west"'))
    found = run_json("status", "--silo", place)
    assert [silo["silo"] for silo in found["silos"]] == ["north"]
    assert any("the rows of its ledger say 'north'" in line for line in found["notes"])
