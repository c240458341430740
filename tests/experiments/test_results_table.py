"""Tables of results: one form for what has no value, and nothing of the machine that made them."""

import sys
from math import nan

import pytest

from experiments.coldstart.section import Section, markdown
from experiments.comparison import Entry
from experiments.results_table import command_line, comparison_table, shown


def test_no_value_is_a_hyphen() -> None:
    assert [shown(value) for value in (None, nan, 0.25)] == ["-", "-", "0.2500"]
    assert shown(2.0, ".3f") == "2.000"


def test_the_median_is_over_the_seeds_that_have_a_figure() -> None:
    seeds = {
        seed: {"private": Entry(True, {"auc": auc, "slope": nan}, {})}
        for seed, auc in enumerate((nan, 0.5, 0.7))
    }
    rows = comparison_table(seeds, ["auc", "slope"])
    assert rows[2:] == ["| private | 0.6000 (-, 0.5000, 0.7000) | - |"]


def test_sections_say_it_alike() -> None:
    sections = [Section("t", (), {"a": {"x": x}, "b": {"x": nan, "n": 3.0}}) for x in (nan, 0.5)]
    assert markdown(sections)[-2:] == ["| a | 0.5000 (-, 0.5000) | - (-, -) |", "| b | - (-, -) | 3 (3, 3) |"]


def test_a_table_says_nothing_of_the_machine_that_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [
        "bench",
        "quality",
        "--data",
        "/somewhere/shop",
        "--seeds",
        "0,1",
        "--output=/tmp/runs",
        "--json",
    ]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/thousandfaces", *given, "--results", "/home/me/table.md"])
    told = command_line("thousandfaces")
    assert told == (
        "thousandfaces bench quality --data shop --seeds 0,1 --output=runs --json --results table.md"
    )
