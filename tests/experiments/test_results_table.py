"""Tables of results have one form for what has no value."""

from math import nan

from experiments.coldstart.section import Section, markdown
from experiments.comparison import Entry
from experiments.results_table import comparison_table, shown


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
