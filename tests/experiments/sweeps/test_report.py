"""The report: medians and trials as the records have them, in one file that needs nothing else."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments.sweeps.frontier import read_frontier
from experiments.sweeps.report import write_html, write_markdown
from experiments.sweeps.words import axis_words, metric_words, value_words
from recsys.errors import ConfigError

COMMAND = "thousandfaces experiment report made"


class Page(HTMLParser):
    """What a reader's program sees: ids, addresses, tables as rows of text, images and their labels."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.addresses, self.labels = list[str](), list[str](), list[str]()
        self.tables, self._cell = list[list[list[str]]](), False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words = {name: value or "" for name, value in attrs}
        self.ids += [words["id"]] if "id" in words else []
        self.addresses += [words[name] for name in ("src", "href", "xlink:href") if name in words]
        if tag == "svg":
            assert words["role"] == "img"
            self.labels.append(words["aria-labelledby"])
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        self._cell = tag in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.tables[-1][-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")


def page(path: Path, *folders: Path) -> Page:
    write_html([read_frontier(folder) for folder in folders], path, command=COMMAND)
    return Page(path.read_text(encoding="utf-8"))


def test_the_numbers_in_the_page_are_those_of_the_records(swept: Callable[..., Path], tmp_path: Path) -> None:
    folder = swept({"epsilon": [1.0, 8.0]})
    (table,) = page(tmp_path / "report.html", folder).tables
    assert table[0] == ["epsilon", "ε spent", "private", "popularity"]
    records = [json.loads(path.read_bytes()) for path in (folder / "trials").iterdir()]
    for x, row in zip([1.0, 8.0], table[1:], strict=True):
        here = sorted((r for r in records if r["cell"]["epsilon"] == x), key=lambda r: r["number"])
        values = [f"{r['figures']['private']['recall_at_10']:.4f}" for r in here]
        spent = max(r["privacy"]["person_epsilon"] for r in here)
        median = sorted(values)[1]
        popularity = "0.0500 (0.0500, 0.0500, 0.0500)"
        assert row == [value_words(x), f"{spent:.3f}", f"{median} ({', '.join(values)})", popularity]


def test_the_page_stands_alone_and_can_be_read_without_eyes(
    swept: Callable[..., Path], tmp_path: Path
) -> None:
    first, second = swept({"epsilon": [1.0, 8.0]}), swept({"customers": [100, 900], "epsilon": [1.0, 2.0]})
    path = tmp_path / "report.html"
    found = page(path, first, second)
    assert len(set(found.ids)) == len(found.ids)
    assert len(found.tables) == len(found.labels) == 3
    for label in found.labels:
        assert set(label.split()) <= set(found.ids)
    assert all(address.startswith("#") and address[1:] in found.ids for address in found.addresses)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<script|@import|url\((?!#)|<link|<img", text)
    assert "Medians of private: 0.1110 at 1, 0.1810 at 8; popularity" in text
    for words in ("simulated data", COMMAND, "at commit abc1234 on 2026-01-02", '<html lang="en">'):
        assert words in text


def test_the_same_records_make_the_same_plot(swept: Callable[..., Path], tmp_path: Path) -> None:
    folder = swept({"epsilon": [1.0, 8.0]})
    page(tmp_path / "a.html", folder)
    page(tmp_path / "b.html", folder)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_two_axes_are_two_charts_with_a_curve_for_each_place_of_the_other(swept: Callable[..., Path]) -> None:
    charts = read_frontier(swept({"epsilon": [1.0, 8.0], "quorum": [1, 2]}, seeds=1)).charts()
    assert [chart.axis for chart in charts] == ["epsilon", "quorum"]
    names = [series.name for series in charts[0].series if series.method == "private"]
    assert names == ["private, quorum 1", "private, quorum 2"]


def test_a_sweep_under_way_shows_what_is_there(swept: Callable[..., Path], tmp_path: Path) -> None:
    folder = swept({"epsilon": [1.0, 8.0]}, failing=(0,), left=1)
    frontier = read_frontier(folder)
    assert frontier.facts()[0] == "simulated data; of 6 trials 4 finished, 1 failed"
    path = tmp_path / "report.html"
    (table,) = page(path, folder).tables
    assert [len(row[2].split(",")) for row in table[1:]] == [2, 2]
    assert "PlanError: &lt;none&gt; &amp; no more" in path.read_text(encoding="utf-8")
    nothing = page(path, swept({"epsilon": [1.0]}, seeds=1, left=1))
    assert not nothing.tables
    assert "No trial has finished yet" in path.read_text(encoding="utf-8")


def test_the_table_for_the_repository(swept: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "results" / "frontier.md"
    write_markdown([read_frontier(swept({"epsilon": [1.0, 8.0]}))], path, command=COMMAND)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Privacy-utility frontier: made"
    assert lines[2].startswith(f"Made by `{COMMAND}` at commit ")
    assert "- trials made by `thousandfaces experiment sweep x.toml` at commit abc1234 on 2026-01-02" in lines
    assert "| epsilon | epsilon spent | private | popularity |" in lines
    row = "| 8 | 7.990 | 0.1810 (0.1800, 0.1810, 0.1820) | 0.0500 (0.0500, 0.0500, 0.0500) |"
    assert row in lines


def test_a_folder_without_a_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sweep\.json: not there"):
        read_frontier(tmp_path)


def test_names_for_people() -> None:
    assert metric_words("new_recall_at_20") == "Recall@20 of new items"
    assert metric_words("ndcg_at_10") == "NDCG@10"
    assert axis_words("silos") == "number of silos"
    assert [value_words(value) for value in (2.0, 0.5, 40000, True, "x")] == [
        "2",
        "0.5",
        "40,000",
        "True",
        "x",
    ]
