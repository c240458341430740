"""Where a ledger may be kept: every promise is held in each of these places."""

from pathlib import Path

import pytest

from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from tests.contracts.ledger.places import kind_of
from tests.recsys.privacy.builders import DELTA


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a new ledger: what `Ledger(...)` takes."""
    if request.param == "PostgreSQL":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def another_place(where: str, tmp_path: Path) -> str:
    """A second place of the same kind."""
    return f"{where}_b" if kind_of(where) == "PostgreSQL" else str(tmp_path / "another.sqlite")


@pytest.fixture(scope="session")
def warm() -> None:
    """The slow imports, once before any child is forked."""
    accountant.epsilon([PrivacyEvent(3.0), PrivacyEvent(1.0, 0.1, 3)], DELTA)
