"""The check that an audit runs on an installed copy: it passes on the real server, and on no leaky one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from recsys.data.history import Histories
from recsys.errors import ConfigError
from recsys.silos.event_store import OnlineEventStore
from recsys.silos.online import Event
from serving import audit_mutants
from serving.audit import neighbours_at_the_server
from serving.customers.profiles import Profiles
from serving.events.known import KnownEvents
from serving.replenishment import lister
from tests.serving.builder import NEW, PERSONAL_ONLY, TASTE, make_silo


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A silo with events of two customers under one id, and the same one without `c-taste`."""
    silo, neighbour = make_silo(tmp_path / "with"), make_silo(tmp_path / "without")
    at = datetime.now(UTC)
    for path, customers in ((silo, (TASTE, NEW)), (neighbour, (NEW,))):
        store = OnlineEventStore(path.parent / "online.sqlite")
        store.append([Event("web-1", one, "item-030", "purchase", 1.0, at) for one in customers])
        store.close()
    base = pq.read_table(silo.parent / "interactions.parquet")
    for table in ("interactions", "customers"):
        rows = base if table == "interactions" else pq.read_table(silo.parent / f"{table}.parquet")
        kept = rows.filter(pc.not_equal(rows["customer_id"], TASTE))
        pq.write_table(kept, neighbour.parent / f"{table}.parquet")
    return silo, neighbour


def digests(folder: Path) -> dict[str, str]:
    names = ("*.toml", "*.parquet", "online.sqlite")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in names
        for path in sorted(folder.glob(name))
    }


def failed(found: list[tuple[bool, str]]) -> list[str]:
    return [what.partition(":")[0] for held, what in found if not held]


def test_the_real_server_holds_and_nothing_of_the_silo_is_changed(
    bundle: Path, pair: tuple[Path, Path]
) -> None:
    before = digests(pair[0].parent) | digests(pair[1].parent)
    found = neighbours_at_the_server(bundle, *pair, TASTE)
    assert failed(found) == []
    kinds = {what.partition(":")[0] for _, what in found}
    assert kinds >= {"recommendations", "replenishment", "due list", "events", "metrics", "errors", "logs"}
    assert kinds >= {"clock", "request ids", "due list as a file"}
    assert digests(pair[0].parent) | digests(pair[1].parent) == before


def test_the_entry_point_is_the_function(bundle: Path) -> None:
    group, value = "thousandfaces.audit_checks", "serving.audit:neighbours_at_the_server"
    assert f'{group}"]\nneighbours_at_the_server = "{value}"' in Path("pyproject.toml").read_text()
    assert EntryPoint("neighbours_at_the_server", value, group).load() is neighbours_at_the_server


def test_a_customer_who_is_in_both_silos_is_refused(bundle: Path, pair: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="customer 'c-new' is in the second silo too"):
        neighbours_at_the_server(bundle, *pair, NEW)


def _known_by_id_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = KnownEvents.__init__

    def init(self: KnownEvents, rows: pa.Table) -> None:
        real(self, rows)
        self._all = set(rows["event_id"].to_pylist())  # type: ignore[attr-defined]

    monkeypatch.setattr(KnownEvents, "__init__", init)
    monkeypatch.setattr(
        KnownEvents,
        "meet",
        lambda self, event: event.event_id not in self._all,
    )


def _a_page_tells_how_many_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Profiles.history

    def history(self: Profiles, customer_id: str) -> Any:
        own = real(self, customer_id)
        return own if len(self._positions) % 2 else own.where(np.zeros(len(own.items), np.bool_))

    monkeypatch.setattr(Profiles, "history", history)


def _a_log_counts_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    import logging

    real = Profiles.__init__

    def init(self: Profiles, dataset: Any, consents: Any) -> None:
        real(self, dataset, consents)
        logging.getLogger("thousandfaces.serving").info("%d customers", len(consents))

    monkeypatch.setattr(Profiles, "__init__", init)


def _a_file_flags_by_how_many_are_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def dormant(h: Histories, now: int) -> Any:
        customers = len(h.offsets) - 1
        return np.full(customers, customers % 2 == 0)

    monkeypatch.setattr(lister, "dormant", dormant)


def _broken_as(mutant: Callable[[], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    def leak(monkeypatch: pytest.MonkeyPatch) -> None:
        for target, attribute, broken in mutant():
            monkeypatch.setattr(target, attribute, broken)

    return leak


@pytest.mark.parametrize(
    ("leak", "kind"),
    [
        (_broken_as(audit_mutants.server_keeps_answers_without_the_customer), "recommendations"),
        (_broken_as(audit_mutants.server_sets_its_clock_by_the_newest_event), "clock"),
        (_broken_as(audit_mutants.server_counts_requests), "request ids"),
        (_a_file_flags_by_how_many_are_in_it, "due list as a file"),
        (_known_by_id_alone, "history"),
        (_a_page_tells_how_many_are_there, "history"),
        (_a_log_counts_customers, "logs"),
    ],
)
def test_a_leaky_server_is_noticed(
    bundle: Path,
    pair: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[[pytest.MonkeyPatch], None],
    kind: str,
) -> None:
    leak(monkeypatch)
    assert kind in failed(neighbours_at_the_server(bundle, *pair, TASTE, most=3))


def test_silos_that_differ_in_another_customer_are_told_apart(bundle: Path, pair: tuple[Path, Path]) -> None:
    path = pair[1].parent / "interactions.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows.filter(pc.not_equal(rows["customer_id"], PERSONAL_ONLY)), path)
    assert "history" in failed(neighbours_at_the_server(bundle, *pair, TASTE, most=3))
