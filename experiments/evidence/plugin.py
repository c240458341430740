"""What tests measure evidence with: pytest's options, how often to repeat, and the rows they record."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from experiments.evidence.bars import Bar

MARK = FIXTURE = "evidence"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the evidence."""
    group = parser.getgroup("privacy evidence")
    group.addoption("--full-counts", action="store_true", help="repeat as often as the evidence asks for")
    group.addoption("--evidence", metavar="FILE", help="append each measured row to FILE, as JSON lines")
    group.addoption("--evidence-tests", metavar="FILE", help="write the tests that record rows to FILE")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Name the collected tests that record rows: those with the mark that also use the fixture."""
    if file := session.config.getoption("--evidence-tests"):
        names = [item.nodeid for item in session.items if records(item)]
        Path(file).write_text(json.dumps(names), encoding="utf-8")


def records(item: pytest.Item) -> bool:
    """Whether a test makes rows of the evidence."""
    return item.get_closest_marker(MARK) is not None and FIXTURE in getattr(item, "fixturenames", ())


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """`counted(few, full)`: how often to repeat, in every build and with --full-counts (`make evidence`)."""
    full_counts = bool(request.config.getoption("--full-counts"))
    return lambda few, full: full if full_counts else few


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`evidence(what, bars=[Bar(...)])`: asserts the bars and records them as a row of the evidence table.

    `bar="words"` and `measured="words"` say what the test's own asserts decide, beside bars or alone. The row
    is written (with --evidence alone) before the bars are asserted, so that a missed one is seen in the file.
    """
    file = request.config.getoption("--evidence")

    def record(what: str, *, bar: str = "", measured: str = "", bars: Sequence[Bar] = ()) -> None:
        if not bar and not bars:
            raise ValueError(f"evidence '{what}': no bar; say in numbers or words what is asserted")
        row = {
            "what": what,
            "bar": "; ".join(filter(None, [bar, *(one.words for one in bars)])),
            "measured": "; ".join(filter(None, [measured, *(one.measured for one in bars)])),
            "bars": [one.to_json() for one in bars],
            "test": request.node.nodeid,
        }
        if file:
            with Path(file).open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(row) + "\n")
        missed = [f"{one.measured}, bar: {one.words}" for one in bars if not one.holds]
        assert not missed, f"{what}: {'; '.join(missed)}"

    return record
