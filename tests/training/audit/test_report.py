"""The audit's page needs nothing but itself, and says plainly whether the claim holds."""

import base64
import re

import pytest

from recsys.errors import ConfigError
from tests.training.audit.results import make_result
from training.audit.report import print_tables, write_report


def test_the_page_is_self_contained(tmp_path):
    path = tmp_path / "audit.html"
    write_report(make_result(), path)
    page = path.read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<script" not in page
    (picture,) = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_the_page_escapes_what_checks_say(tmp_path):
    path = tmp_path / "audit.html"
    write_report(make_result(alarm=9.0), path)
    page = path.read_text()
    assert "a &lt;b&gt; &amp; c" in page
    assert "noise is &lt;right&gt;" in page


def test_the_page_and_the_table_say_whether_the_claim_holds(tmp_path, capsys):
    good, bad = make_result(), make_result(alarm=9.0)
    for result, words in ((good, "None of 5 findings contradicts"), (bad, "must not be used")):
        write_report(result, tmp_path / "page.html")
        assert words in (tmp_path / "page.html").read_text()
    print_tables(good)
    out = capsys.readouterr().out
    assert "5 of 5 findings keep the claim" in out
    assert "2.800" in out
    print_tables(bad)
    out = capsys.readouterr().out
    assert "FAILED step.towers.8" in out
    assert "3 of 6" in out


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        write_report(make_result(), tmp_path / "nowhere" / "audit.html")
