"""Checks of other packages: called with what they need, and missed where they are not there."""

from training.audit.checks import offered
from training.audit.checks.offered import _findings, neighbours_at_the_server


def test_no_check_on_offer_is_a_failed_finding(monkeypatch):
    monkeypatch.setattr(offered, "entry_points", lambda group: [])
    (found,) = neighbours_at_the_server()
    assert not found.ok
    assert offered.GROUP in found.words


def test_what_a_check_saw_becomes_findings(tmp_path):
    def check(bundle, silo, neighbour, gone):
        return [(True, f"alike without {gone}"), (False, "depends on another customer")]

    found = list(_findings("some", check, tmp_path, tmp_path, tmp_path, "anna"))
    assert [one.ok for one in found] == [True, False]
    assert found[0].words == "alike without anna"


def test_a_check_that_compared_nothing_fails(tmp_path):
    (found,) = _findings("some", lambda *_: [], tmp_path, tmp_path, tmp_path, "anna")
    assert not found.ok
