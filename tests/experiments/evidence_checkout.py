"""A small checkout with tests that record evidence, and the commands run on it as a person runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from experiments.evidence.book import Book
from experiments.evidence.command import measure
from experiments.evidence.parts import collect
from experiments.evidence.rows import Row
from experiments.evidence.runs import Outcome

PACKAGES = ("shop", "tests")

FILES = {
    "pyproject.toml": """
        [tool.pytest.ini_options]
        # Without plugins that take seconds to import.
        addopts = "-q --import-mode=importlib PLUGINS"
        pythonpath = ["."]
        markers = ["evidence: a row of the evidence"]
        [project.entry-points."shop.checks"]
        late = "shop.late:check"
    """,
    "constraints.txt": "numpy==2.0.0\nrich==14.0.0\n",
    "shop/__init__.py": "",
    "shop/prices.py": """
        def price():
            from shop.tax import RATE
            return 1 + RATE
    """,
    "shop/tax.py": "RATE = 0.25\n",
    "shop/late.py": "GROUPLESS = True\n",
    "shop/unused.py": "VALUE = 1\n",
    "tests/conftest.py": """
        from experiments.evidence.plugin import counted, evidence, pytest_addoption, pytest_collection_finish
    """,
    "tests/helpers.py": "from shop.prices import price\n",
    "tests/test_prices.py": """
        import pytest
        from experiments.evidence.bars import Bar
        from tests.helpers import price

        @pytest.mark.evidence
        @pytest.mark.parametrize("what", list("abcdef"))
        def test_a_price(what, counted, evidence):
            bars = [Bar("price", price(), at_most=2)]
            evidence(f"price {what}", measured=f"{counted(1, 9)} times", bars=bars)

        @pytest.mark.evidence
        def test_without_a_row():
            assert price()

        def test_of_every_build(evidence):
            evidence("never", bar="never", measured="never")
    """,
    "tests/test_words.py": """
        import pytest

        @pytest.mark.evidence
        def test_words(evidence):
            evidence("words | with a bar", bar="as it should be", measured="so it is")
    """,
}


PLUGINS = ["anyio", "xdist", "xdist.looponfail", "pytest_cov", "hypothesispytest"]


def make_checkout(root: Path) -> Book:
    """Write the files; two test files of seven tests that record rows, in three parts."""
    for name, text in FILES.items():
        write(root, name, text.replace("PLUGINS", " ".join(f"-p no:{name}" for name in PLUGINS)))
    return Book(root, PACKAGES)


def write(root: Path, name: str, text: str) -> None:
    """Write one file, its text without the margin."""
    lines = text.splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("".join(f"{line[margin:]}\n" for line in lines).lstrip("\n"))


def run(book: Book, only: str = "", *, forget: bool = False) -> tuple[list[Outcome], list[str]]:
    """Measure what is wanting: the failed parts, and what was told."""
    told: list[str] = []
    return measure(book, collect(book.root), only, 2, forget, told.append), told


def row_of(book: Book, what: str) -> Row:
    """The one row of that name."""
    (row,) = [row for row in book.rows() if row.what == what]
    return row


def program(book: Book, *arguments: str) -> list[str]:
    """The command line for this checkout."""
    packages = [part for package in book.packages for part in ("--package", package)]
    return [sys.executable, "-m", "experiments.evidence", "--root", str(book.root), *packages, *arguments]


def ended(book: Book, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    return subprocess.run(program(book, *arguments), capture_output=True, text=True)
