"""Rows and page of the evidence: what is stale, missing or edited is named, and stops a release."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.evidence.bars import Bar
from experiments.evidence.book import Book
from experiments.evidence.page import render
from experiments.evidence.rows import Row, State, read_rows, write_rows
from recsys.errors import ConfigError
from tests.experiments.evidence_checkout import ended, make_checkout, row_of, run, write

ROW = Row(
    what="largest move",
    bar="move at most 1",
    measured="9 pairs; move 0.5",
    bars=(Bar("move", 0.5, at_most=1).to_json(),),
    test="tests/test_a.py::test_one",
    fingerprint="ab",
    commit="1234567",
    date="2026-12-01T10:00:00Z",
    part="a",
    seconds=3.0,
).sealed()


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The rows and the page of a small checkout."""
    book = make_checkout(tmp_path_factory.mktemp("measured"))
    assert run(book)[0] == []
    return {file.name: file.read_bytes() for file in (book.rows_file, book.page_file)}


@pytest.fixture
def book(tmp_path: Path, measured: dict[str, bytes]) -> Book:
    made = make_checkout(tmp_path)
    made.rows_file.parent.mkdir(parents=True)
    for name, content in measured.items():
        (made.rows_file.parent / name).write_bytes(content)
    return made


def test_the_rows_and_the_page_of_this_checkout_agree_and_no_row_breaks_its_bar() -> None:
    assert Book().edits() == []


def test_a_checkout_that_measured_nothing_has_nothing_to_disagree(tmp_path: Path) -> None:
    made = make_checkout(tmp_path)
    assert made.edits() == []
    found = ended(made, "check")
    assert found.returncode == 4
    assert "tests/test_words.py::test_words has no row" in found.stderr
    assert "test_without_a_row" not in found.stderr, "only tests that use the fixture record rows"


def test_a_release_with_rows_of_the_present_code_is_let_through(book: Book) -> None:
    found = ended(book, "check")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == "7 rows of evidence, all of the present code\n"


@pytest.mark.parametrize(
    "changed", ["shop/tax.py", "tests/helpers.py", "tests/conftest.py", "constraints.txt"]
)
def test_a_row_is_stale_once_anything_that_its_test_reaches_has_changed(book: Book, changed: str) -> None:
    with (book.root / changed).open("a") as file:
        file.write("numpy==2.0.1\n" if changed == "constraints.txt" else "# a comment is a change\n")
    found = book.open_points([row.test for row in book.rows()])
    assert "price a (tests/test_prices.py::test_a_price[a]) is stale" in found
    assert len(found) == (7 if changed in {"tests/conftest.py", "constraints.txt"} else 6)
    assert book.edits() == [], "no commit is held up by it"


def test_what_is_stale_stops_a_release_stands_in_the_page_and_is_measured_again(book: Book) -> None:
    write(book.root, "shop/tax.py", "RATE = 0.5\n")
    found = ended(book, "check")
    assert found.returncode == 4
    assert found.stderr.count("is stale\n") == 6
    run(book, "a_price-1")
    page = book.page_file.read_text()
    assert page.count("| stale |") == 3
    assert "3 rows are stale" in page
    assert "price 1.5" in row_of(book, "price a").measured
    assert book.edits() == []


def test_a_row_whose_test_is_no_more_is_dropped_and_listed_below_the_table(book: Book) -> None:
    (book.root / "tests" / "test_words.py").unlink()
    run(book)
    table, below = book.page_file.read_text().split("Dropped, since their tests are no more")
    assert "test_words" not in table
    assert "- `tests/test_words.py::test_words`" in below
    assert ended(book, "check").returncode == 0
    run(book, forget=True)
    assert "Dropped" not in book.page_file.read_text()
    assert len(book.rows()) == 6


def test_a_page_that_was_edited_is_noticed(book: Book) -> None:
    page = book.page_file.read_text()
    book.page_file.write_text(page.replace("so it is", "so it always is"))
    assert book.edits() == ["privacy_evidence.md is not what the rows of privacy_evidence.jsonl make"]
    assert ended(book, "check").returncode == 4


@pytest.mark.parametrize(
    "field", ["what", "bar", "measured", "test", "fingerprint", "commit", "date", "seconds"]
)
def test_a_row_that_was_edited_is_noticed_in_whatever_field(book: Book, field: str) -> None:
    row = row_of(book, "words | with a bar")
    other = replace(row, **{field: 1.5 if field == "seconds" else f"{getattr(row, field)}0"})
    write_rows(book.rows_file, [other if one == row else one for one in book.rows()])
    assert any("was edited: its digest does not fit" in found for found in book.edits())


def test_an_edited_row_is_measured_again(book: Book) -> None:
    row = row_of(book, "words | with a bar")
    write_rows(book.rows_file, [replace(one, measured="never") if one == row else one for one in book.rows()])
    assert "1 part to run" in run(book)[1][0]
    assert row_of(book, "words | with a bar").measured == "so it is"
    assert book.edits() == []


def test_a_row_added_or_taken_away_is_noticed(book: Book) -> None:
    rows = book.rows()
    for others in (rows[1:], [*rows, ROW]):
        write_rows(book.rows_file, others)
        assert book.edits() == ["privacy_evidence.md is not what the rows of privacy_evidence.jsonl make"]


def test_a_row_that_breaks_its_own_bar_is_named_even_with_a_digest_that_fits() -> None:
    assert ROW.problems() == []
    broken = replace(
        ROW, measured="move 1.015", bars=({"what": "move", "value": 1.015, "at_most": 1.0},)
    ).sealed()
    assert broken.problems() == ["breaks its own bar: move 1.015, bar: move at most 1"]
    other = replace(ROW, bar="move at most 2").sealed()
    assert "shows another bar or value" in other.problems()[0]


def test_the_page_says_where_when_and_how_long_and_ends_with_a_hash_of_the_rows() -> None:
    rows = [
        ROW,
        replace(ROW, what="b | c", seconds=3600.0, part="b", commit="89abcde+", state=State.STALE).sealed(),
    ]
    page = render(rows)
    assert "- 2 rows, measured at 1234567, 89abcde+" in page
    assert "on 2026-12-01 in 1.0 hours of 2 parts" in page
    assert (
        "| b \\| c | move at most 1 | 9 pairs; move 0.5 | 89abcde+ | stale | `tests/test_a.py::test_one` |"
        in page
    )
    assert render(rows[::-1]) == page
    assert page.splitlines()[-1] != render(rows[:1]).splitlines()[-1]


@pytest.mark.parametrize("content", ["no json\n", '{"what": "a"}\n', json.dumps([1]) + "\n"])
def test_a_file_that_holds_anything_else_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"rows\.jsonl: no rows of evidence"):
        read_rows(file)
