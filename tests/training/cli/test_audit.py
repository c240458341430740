"""`thousandfaces audit run` and `report`: what they ask for, write, record and say."""

import json

import pytest
from click.testing import CliRunner

from recsys.errors import ConfigError, LedgerError, PlanError
from recsys.privacy.ledger import Ledger
from tests.training.audit.results import make_result
from training.audit import run as run_module
from training.audit.record import save
from training.cli.audit import audit


@pytest.fixture
def asked(monkeypatch):
    """What an audit was asked for; a result made up beforehand stands for it."""
    seen = {}

    def stand_in(scale, *, claims, delta, progress):
        seen.update(scale=scale, claims=claims, delta=delta)
        progress("step audit", 1, 1)
        return make_result()

    monkeypatch.setattr(run_module, "run_audit", stand_in)
    return seen


def invoke(*arguments):
    return CliRunner().invoke(audit, [str(a) for a in arguments], catch_exceptions=False)


def test_an_audit_writes_its_files_and_prints_a_table(asked, tmp_path, new_output):
    output = new_output(tmp_path / "out")
    done = invoke("run", "--output", output)
    assert done.exit_code == 0
    (folder,) = (output / "audits").iterdir()
    assert {file.name for file in folder.iterdir()} == {"audit.json", "audit.html", "claim_and_attack.png"}
    assert "one run: any" in done.stdout
    assert "step audit" in done.stderr
    assert asked["claims"] == (1.0, 2.0, 4.0, 8.0)
    assert not asked["scale"].full


def test_json_is_the_result_and_nothing_else(asked, tmp_path, new_output):
    done = invoke("run", "--full", "--json", "--output", new_output(tmp_path / "out"))
    assert json.loads(done.stdout)["delta"] == 1e-6
    assert asked["scale"].full


def test_a_federations_caps_are_attacked_and_its_ledgers_told(asked, world, tmp_path, new_output):
    done = invoke("run", "--federation", world / "federation.toml", "--output", new_output(tmp_path / "out"))
    assert done.exit_code == 0
    ledgers = sorted(world.rglob("ledger.sqlite"))
    assert len(ledgers) == 3
    for path in ledgers:
        ledger = Ledger(path, create=False)
        rows = [row for row in ledger.rows() if row.kind == "audit"]
        assert len(rows) == 1
        assert ledger.events() == (), "an audit of synthetic canaries costs nobody's budget"


def test_a_ledger_that_is_not_there_is_refused_before_anything_runs(asked, tmp_path):
    with pytest.raises(LedgerError):
        invoke("run", "--ledger", tmp_path / "none.sqlite", "--output", tmp_path)
    assert not asked


def test_an_audit_that_contradicts_the_claim_fails(monkeypatch, tmp_path, new_output):
    monkeypatch.setattr(run_module, "run_audit", lambda *_, **__: make_result(alarm=9.0))
    with pytest.raises(PlanError, match=r"step\.towers\.8.*do not release"):
        invoke("run", "--output", new_output(tmp_path / "out"))


def test_report_shows_the_latest_audit_and_writes_its_page(tmp_path):
    folder = save(make_result(), tmp_path)
    done = invoke("report", tmp_path)
    assert (folder / "audit.html").exists()
    assert "5 of 5 findings keep the claim" in done.stdout
    invoke("report", folder, "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").exists()
    with pytest.raises(ConfigError, match="holds no audit"):
        invoke("report", tmp_path / "elsewhere")


def test_help_lists_all_three_commands():
    done = invoke("--help")
    assert all(f"  {name} " in done.stdout for name in ("run", "report", "mutants"))
