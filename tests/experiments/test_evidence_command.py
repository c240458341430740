"""`make evidence` goes on where it was killed, runs what is missing or stale alone, and keeps what passed."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from experiments.evidence.book import Book
from experiments.evidence.parts import parts_of
from experiments.evidence.rows import State
from recsys.errors import ConfigError
from tests.experiments.evidence_checkout import ended, make_checkout, program, row_of, run, write

GATED = """
    import time
    from pathlib import Path
    import pytest

    @pytest.mark.evidence
    def test_that_waits(evidence):
        Path("begun").touch()
        while not Path("gate").exists():
            time.sleep(0.01)
        evidence("waited", bar="waits", measured="waited")
"""


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return make_checkout(tmp_path)


def until(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


def test_all_parts_run_at_full_counts_once_and_fresh_ones_never_again(book: Book) -> None:
    failed, told = run(book)
    assert failed == []
    assert "3 parts to run" in told[0]
    assert "part 3 of 3" in told[-1]
    assert "7 rows kept" in told[-1]
    assert [row.state for row in book.rows()] == [State.FRESH] * 7
    assert row_of(book, "price a").measured == "9 times; price 1.25"
    assert row_of(book, "price a").bar == "price at most 2"
    assert book.edits() == []
    before = book.rows_file.read_bytes(), book.page_file.read_bytes()
    assert "0 parts to run" in run(book)[1][0]
    assert (book.rows_file.read_bytes(), book.page_file.read_bytes()) == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_it_goes_on_with_the_parts_that_are_missing(book: Book, how: signal.Signals) -> None:
    write(book.root, "tests/test_waits.py", GATED)
    running = subprocess.Popen(program(book, "run", "--jobs", "1"), stdout=subprocess.PIPE, text=True)
    until(book.root / "begun")
    os.kill(running.pid, how)
    running.communicate(timeout=30)
    assert running.returncode
    kept = book.rows()
    assert {row.file for row in kept} == {"tests/test_prices.py"}, "the parts before it are kept"
    (book.root / "gate").touch()
    told = run(book)[1]
    assert "2 parts to run" in told[0]
    assert {row.what for row in book.rows()} >= {"waited", "words | with a bar"}
    assert [row for row in book.rows() if row.file == "tests/test_prices.py"] == kept


def test_two_commands_at_once_are_refused(book: Book) -> None:
    write(book.root, "tests/test_waits.py", GATED)
    running = subprocess.Popen(program(book, "run", "--only", "waits"), stdout=subprocess.PIPE, text=True)
    until(book.root / "begun")
    with pytest.raises(ConfigError, match="held by another run"):
        run(book)
    (book.root / "gate").touch()
    running.communicate(timeout=30)
    assert running.returncode == 0


def test_a_failed_part_is_named_with_its_log_and_not_kept(book: Book) -> None:
    write(book.root, "shop/tax.py", "RATE = 1.5\n")
    found = ended(book, "run", "--only", "prices")
    assert found.returncode == 4
    assert "failed (exit code 1)" in found.stderr
    log = next((book.root / ".thousandfaces" / "evidence").glob("test_prices-*-1.log"))
    assert str(log) in found.stderr
    assert "price 2.5, bar: price at most 2" in log.read_text()
    assert book.rows() == []


def test_an_old_row_stays_stale_while_its_part_fails(book: Book) -> None:
    run(book, "a_price-1")
    write(book.root, "shop/tax.py", "RATE = 1.5\n")
    failed, _ = run(book, "a_price-1")
    assert len(failed) == 1
    assert {row.state for row in book.rows()} == {State.STALE}
    assert "price 1.25" in row_of(book, "price a").measured


def test_a_test_that_passes_without_its_row_is_a_failed_part(book: Book) -> None:
    write(
        book.root,
        "tests/test_words.py",
        "import pytest\n\n@pytest.mark.evidence\ndef test_words(evidence): ...",
    )
    ((outcome), *others), _ = run(book, "words")
    assert others == []
    assert outcome.problem == "no row was recorded by tests/test_words.py::test_words"


def test_code_that_changes_while_a_part_runs_voids_it(book: Book) -> None:
    changing = GATED.replace('Path("begun")', 'Path("shop/tax.py").write_text("RATE = 0\\n"); Path("gate")')
    write(book.root, "tests/test_waits.py", f"{changing}\n    import shop.tax\n")
    failed, _ = run(book, "waits")
    assert [outcome.problem for outcome in failed] == ["the code changed while it ran"]
    assert book.rows() == []


def test_what_would_run_is_listed_and_chosen_by_a_pattern(book: Book) -> None:
    listed = ended(book, "run", "--list").stdout.splitlines()
    assert listed == [
        "test_prices-test_a_price-1: 3 tests of tests/test_prices.py",
        "test_prices-test_a_price-2: 3 tests of tests/test_prices.py",
        "test_words-test_words: 1 test of tests/test_words.py",
    ]
    assert not book.rows_file.exists()
    run(book, "words")
    assert {row.what for row in book.rows()} == {"words | with a bar"}


def test_parts_are_of_one_function_and_of_nearly_one_size() -> None:
    tests = [f"tests/test_a.py::test_one[{number}]" for number in range(9)] + ["tests/test_a.py::test_two"]
    parts = parts_of(tests)
    assert [len(part.tests) for part in parts] == [3, 3, 3, 1]
    assert [test for part in parts for test in part.tests] == tests
    assert len({part.name for part in parts}) == 4
