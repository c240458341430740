"""What the tests of neighbours share."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from recsys.data import duck, unique
from recsys.silos import raw


@pytest.fixture(autouse=True, scope="session")
def one_database() -> Iterator[None]:
    """Connections are to one database in memory: making a new one takes longer than reading a small file."""
    with duck.connect() as shared, pytest.MonkeyPatch.context() as patch:

        def connect() -> duckdb.DuckDBPyConnection:
            return shared.cursor()

        for module in (raw, unique):
            patch.setattr(module, "connect", connect)
        yield
